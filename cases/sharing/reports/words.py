"""The words of a report, in Swedish and English: codes in capitals and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from cases.access.log.words import Words

Language = Literal["sv", "en"]

TITLES: Mapping[str, Words] = {
    "CONSULT_OPINION": Words("Konsultationsutlåtande", "Consultation report"),
    "PRIMARY_REPORT": Words("Patologiutlåtande", "Pathology report"),
    "MDT_STATEMENT": Words("Patologiutlåtande inför MDK", "Pathology statement for MDT conference"),
}
STATUSES: Mapping[str, Words] = {
    "DRAFT": Words("Utkast, inte signerat", "Draft, not signed"),
    "AWAITING_COUNTERSIGN": Words("Väntar på kontrasignering", "Awaiting countersignature"),
    "PRELIMINARY": Words("Preliminärt svar", "Preliminary"),
    "FINAL": Words("Slutsvar", "Final"),
    "ADDENDUM": Words("Tillägg till slutsvar", "Addendum to final"),
    "AMENDED": Words("Ändrat svar", "Amended"),
    "CORRECTED": Words("Rättat svar", "Corrected"),
    "ENTERED_IN_ERROR": Words("Makulerat", "Entered in error"),
}
REQUEST_TYPES: Mapping[str, Words] = {
    "SECOND_OPINION": Words("Konsultation", "Second opinion"),
    "REVIEW": Words("Eftergranskning", "Review"),
    "WORKLOAD_TRANSFER": Words("Övertagen granskning", "Transferred case"),
    "INTRAOPERATIVE": Words("Intraoperativt snabbsvar", "Intraoperative"),
    "MDT_PREP": Words("Inför MDK", "MDT preparation"),
}
URGENCIES: Mapping[str, Words] = {
    "INTRAOP": Words("Intraoperativt", "Intraoperative"),
    "SNABB": Words("Snabbsvar", "Urgent"),
    "SVF": Words("SVF", "Standard care pathway"),
    "ROUTINE": Words("Rutin", "Routine"),
}
AGREEMENTS: Mapping[str, Words] = {
    "AGREE": Words("Överensstämmer med den första bedömningen", "Agrees with the first assessment"),
    "MINOR_DISCREPANCY": Words(
        "Mindre avvikelse från den första bedömningen, utan väsentlig betydelse för handläggningen",
        "Minor discrepancy from the first assessment, without substantial impact on management",
    ),
    "MAJOR_DISCREPANCY": Words(
        "Större avvikelse från den första bedömningen, av väsentlig betydelse för handläggningen",
        "Major discrepancy from the first assessment, with substantial impact on management",
    ),
    "NOT_ASSESSABLE": Words("Överensstämmelsen går inte att bedöma", "Agreement cannot be assessed"),
}
DISCREPANCIES: Mapping[str, Words] = {
    "BENIGN_MALIGNANT": Words("Benign eller malign", "Benign or malignant"),
    "TUMOUR_TYPE": Words("Tumörtyp", "Tumour type"),
    "GRADE": Words("Grad", "Grade"),
    "STAGE": Words("Stadium", "Stage"),
    "MARGIN": Words("Resektionsrand", "Margin"),
    "BIOMARKER": Words("Biomarkör", "Biomarker"),
    "OTHER": Words("Annat", "Other"),
}
CONFIDENCES: Mapping[str, Words] = {
    "DEFINITE": Words("Säker", "Definite"),
    "PROBABLE": Words("Sannolik", "Probable"),
    "UNCERTAIN": Words("Osäker", "Uncertain"),
}
LIMITATIONS: Mapping[str, Words] = {
    "NOT_ALL_SLIDES": Words("Alla glas har inte granskats", "Not all slides were seen"),
    "LOSSY_COPY": Words("Förlustkomprimerad kopia: bilden har komprimerats om", "Lossy copy: compressed anew"),
    "ONLY_DIGITAL": Words(
        "Enbart digitala bilder har granskats, inte glasen i mikroskop",
        "Only digital images were seen, not the glass in a microscope",
    ),
    "FOCUS": Words("Bristande skärpa", "Insufficient focus"),
    "SCAN_INCOMPLETE": Words("Bilden omfattar inte all vävnad på glaset", "The image does not hold all of the tissue"),
    "MATERIAL_SPARSE": Words("Litet eller skadat material", "Sparse or damaged material"),
    "CLINICAL_INFORMATION_MISSING": Words("Kliniska uppgifter saknas", "Clinical information is missing"),
    "OTHER": Words("Annan begränsning", "Another limitation"),
}
REASONS: Mapping[str, Words] = {
    "NEW_INFORMATION": Words("Nya uppgifter", "New information"),
    "NEW_MATERIAL": Words("Nytt material", "New material"),
    "REINTERPRETATION": Words("Ny bedömning", "Reinterpretation"),
    "WRONG_PATIENT_OR_SPECIMEN": Words("Fel patient eller prov", "Wrong patient or specimen"),
    "CLERICAL": Words("Skrivfel", "Clerical error"),
    "OTHER": Words("Annat skäl", "Another reason"),
}
TELLINGS: Mapping[str, Words] = {
    "PHONE": Words("per telefon", "by telephone"),
    "IN_PERSON": Words("personligen", "in person"),
    "VIDEO": Words("i videosamtal", "by video call"),
    "MESSAGE": Words("i meddelande", "by message"),
    "LETTER": Words("per brev", "by letter"),
}
SEEINGS: Mapping[str, Words] = {
    "OPENED": Words("Granskat", "Seen"),
    "ELSEWHERE": Words("Granskat på glas eller i annan visning", "Seen on glass or in another viewer"),
    "NOT_SEEN": Words("Ej granskat", "Not seen"),
    "MISSING": Words("Hade inte kommit in", "Had not arrived"),
}
PLATFORMS: Mapping[str, Words] = {
    "GLASS": Words("Glas i mikroskop", "Glass in a microscope"),
    "EXTERNAL_CE_VIEWER": Words("CE-märkt granskningsstation", "CE-marked viewing station"),
    "THIS_VIEWER": Words("Bildvisningen i Samsyn", "The Samsyn viewer"),
}
INTENDED_USE: Mapping[str, Words] = {
    # The Swedish sentence is prescribed. Source: domain rules, 2.7.
    "COMMUNICATION": Words(
        "Visningen är avsedd för kommunikation och konsultation, inte som ensam grund för primärdiagnostik. "
        "Bedömande patolog ansvarar för att underlaget är tillräckligt och kan begära glas eller öppna fallet i "
        "CE-märkt granskningsstation.",
        "The viewer is intended for communication and consultation, not as the sole basis for primary diagnosis. The "
        "reading pathologist is responsible for the material being sufficient and may ask for glass or open the case "
        "in a CE-marked viewing station.",
    ),
    "CE_MARKED_EXTERNAL": Words(
        "Bilder för primärdiagnostik öppnas i en CE-märkt granskningsstation utanför Samsyn.",
        "Images for primary diagnosis are opened in a CE-marked viewing station outside of Samsyn.",
    ),
}
MEANINGS: Mapping[str, Words] = {
    "AUTHOR": Words("Signerat", "Signed"),
    "COUNTERSIGN": Words("Kontrasignerat", "Countersigned"),
    "ACKNOWLEDGE": Words("Vidimerat", "Acknowledged"),
    "DICTATION_CHECK": Words("Diktat kontrollerat", "Dictation checked"),
}
SEXES: Mapping[str, Words] = {"FEMALE": Words("Kvinna", "Female"), "MALE": Words("Man", "Male")}
RESPONSIBILITIES: Mapping[str, Words] = {
    "INDEPENDENT": Words(
        "{performer} svarar för detta utlåtande. {owner} svarar för primärsvaret och för vad utlåtandet leder till.",
        "{performer} is responsible for this statement. {owner} is responsible for the primary report and for what "
        "follows from the statement.",
    ),
    "UNDER_OWNER": Words(
        "Bedömningen är gjord av {performer} under ansvar av {owner}, som svarar för både den och primärsvaret.",
        "The assessment was made by {performer} under the responsibility of {owner}, which answers for it and for the "
        "primary report.",
    ),
    "WORKLOAD_TRANSFER": Words(
        "{performer} har övertagit granskningen från {owner} och svarar för primärsvaret, som är detta utlåtande.",
        "{performer} has taken the case over from {owner} and is responsible for the primary report, which this is.",
    ),
}
NOTIFIERS: Mapping[str, Words] = {
    "OWNER": Words("Canceranmälan görs av {owner}.", "{owner} notifies the cancer register."),
    "PERFORMER": Words("Canceranmälan görs av {performer}.", "{performer} notifies the cancer register."),
}
LABELS: Mapping[str, Words] = {
    "accessioned": Words("Provet ankom", "Received"),
    "agreement": Words("Överensstämmelse", "Agreement"),
    "ancillary": Words("Kompletterande analyser", "Ancillary studies"),
    "answer": Words("Svar", "Answer"),
    "answered": Words("Besvarat", "Answered"),
    "assessment": Words("Bedömning", "Assessment"),
    "blank": Words("–", "–"),
    "case": Words("Provnummer", "Case number"),
    "changed": Words("Ändringen", "The change"),
    "codes": Words("Diagnoskoder", "Diagnosis codes"),
    "confidence": Words("Diagnosens säkerhet", "Confidence"),
    "diagnosis": Words("Diagnos", "Diagnosis"),
    "discrepancy": Words("Avvikelsen gäller", "The discrepancy concerns"),
    "fingerprint": Words(
        "Kontrollsumma för det signerade innehållet (SHA-256)", "Checksum of the signed content (SHA-256)"
    ),
    "impact": Words("Betydelse för handläggningen", "Impact on management"),
    "intended_use": Words("Avsedd användning", "Intended use"),
    "limitations": Words("Begränsningar", "Limitations"),
    "lossy": Words("förlustkomprimerad kopia", "lossy copy"),
    "material": Words("Granskat underlag", "Material seen"),
    "material_sent": Words("Material", "Material"),
    "microscopy": Words("Mikroskopi", "Microscopy"),
    "mistake": Words(
        "Detta svar har förts in av misstag och gäller inte. Använd det inte.",
        "This answer was entered in error and is not valid. Do not use it.",
    ),
    "name": Words("Namn", "Name"),
    "no_slides": Words("Inga digitala glas ingår i uppdraget.", "No digital slides belong to the request."),
    "number": Words("Identitetsnummer", "Identity number"),
    "page": Words("Sida {page} av {pages}", "Page {page} of {pages}"),
    "patient": Words("Patient", "Patient"),
    "performer": Words("Bedömande", "Answered by"),
    "owner": Words("Beställande", "Asked by"),
    "platform": Words("Granskat på", "Read on"),
    "preliminary": Words(
        "Preliminärt svar. Det kan ändras i slutsvaret.", "Preliminary. It may change in the final report."
    ),
    "protected": Words("Skyddad identitet", "Protected identity"),
    "protected_how": Words(
        "Identiteten framgår av provnumret hos {owner}.", "The case number leads to the identity at {owner}."
    ),
    "protected_staff": Words("Namnet skyddat", "Name protected"),
    "question": Words("Frågeställning", "Question"),
    "reason": Words("Skäl", "Reason"),
    "receiver": Words("Eget provnummer", "Own case number"),
    "recommendations": Words("Rekommendation", "Recommendation"),
    "reference": Words("Beteckning", "Reference"),
    "referral": Words("Remissnummer", "Referral number"),
    "replaced": Words(
        "Denna version har ersatts av version {number} ({status}), signerad {at}.",
        "This version has been replaced by version {number} ({status}), signed {at}.",
    ),
    "replaces": Words(
        "Ersätter version {number} ({status}), signerad {at}.", "Replaces version {number} ({status}), signed {at}."
    ),
    "request": Words("Uppdrag", "Request"),
    "requested": Words("Beställt", "Requested"),
    "requester": Words("Beställare", "Requested by"),
    "responsibility": Words("Ansvar", "Responsibility"),
    "seeing": Words("Granskning", "Seen"),
    "sex": Words("Kön", "Sex"),
    "signatures": Words("Signaturer", "Signatures"),
    "slide": Words("Glas", "Slide"),
    "slides_seen": Words(
        "{seen} av {all} glas granskade av den som signerat.", "{seen} of {all} slides seen by the signer."
    ),
    "specimens": Words("Prov", "Specimen"),
    "stain": Words("Färgning", "Stain"),
    "statement": Words("Utlåtande", "Statement"),
    "told": Words("Informerade", "Informed"),
    "type": Words("Slag", "Kind"),
    "urgency": Words("Prioritet", "Priority"),
    "unsigned": Words("Inte signerat. Får inte användas.", "Not signed. Must not be used."),
    "unshown": Words(
        "Tecken som inte kan visas här står som [U+…]. De finns i den elektroniska versionen.",
        "Characters that cannot be shown here stand as [U+…]. They are in the electronic version.",
    ),
    "version": Words("Version {number}", "Version {number}"),
    "working_diagnosis": Words("Arbetsdiagnos", "Working diagnosis"),
}


def say(words: Mapping[str, Words], code: str, language: Language) -> str:
    """A code in words; a code that has none as it is."""
    found = words.get(code)
    return getattr(found, language) if found else code
