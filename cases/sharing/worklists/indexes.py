"""Indexes that lists and searches need, on the tables of others."""

from __future__ import annotations

from sqlalchemy import Index

from cases.records.pathology_case import PathologyCase
from cases.records.record_grant import RecordGrant
from cases.records.referrals import Referral
from cases.records.slide_images import SlideImage
from cases.sharing.requests import ShareRequest

Index("ix_pathology_case_care_unit_id_status", PathologyCase.care_unit_id, PathologyCase.status)
Index("ix_pathology_case_responsible_assignment_id", PathologyCase.responsible_assignment_id)
Index("ix_pathology_case_lid", PathologyCase.lid)
# What belongs to no case yet is little, among millions of slides that do.
Index(
    "ix_slide_image_caseless",
    SlideImage.care_unit_id,
    SlideImage.number,
    postgresql_where=SlideImage.case_id.is_(None),
)
Index("ix_share_request_unit_id_status", ShareRequest.unit_id, ShareRequest.status)
Index("ix_share_request_performer_unit_id_status", ShareRequest.performer_unit_id, ShareRequest.status)
Index("ix_share_request_reader_assignment_id", ShareRequest.reader_assignment_id)
Index("ix_share_request_parent_request_id", ShareRequest.parent_request_id)
Index("ix_share_request_receiver_accession", ShareRequest.performer_provider_id, ShareRequest.receiver_accession)
Index("ix_record_grant_to_provider_id_valid_until", RecordGrant.to_provider_id, RecordGrant.valid_until)
Index("ix_referral_referring_unit_id_id", Referral.referring_unit_id, Referral.id)
