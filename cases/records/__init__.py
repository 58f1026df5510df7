"""What is shared: slide images and who is looking at one; cases, referrals and specimens come here too."""
