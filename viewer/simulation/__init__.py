"""The pilot's cases in fast-forward: the real rules, real rows and drawn slides, under a clock that hurries."""
