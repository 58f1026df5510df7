/** English: who may, as whom, and why not. Part of `en.ts`. */

import type { Texts } from "./sv";

export const rights: Texts["rights"] = {
  signIn: {
    title: "Sign in",
    what: "Share digital slides and opinions between the regions' pathologists.",
    ended: "Your session has ended. Sign in again to continue where you were.",
    unreachable: "The server is not answering at the moment.",
    signOut: "Sign out",
    signOutFailed: "Signing out did not work. Try again, or close the browser.",
    account: "Local account",
    login: "Login name",
    password: "Password",
    code: "One-time code",
    codeHint: "Six digits from the app on your telephone. Leave it empty the first time.",
    showPassword: "Show the password",
    loginMissing: "Enter your login name.",
    passwordMissing: "Enter your password.",
    codeMissing: "Enter the code that the app shows now.",
    working: "Signing in …",
    demoTitle: "Demonstration",
    demoWhat: "No real patients. Choose who you are and what you work as.",
    demoNobody: "There are no demo people. Bring them in from the command line:",
    demoCommand: "samsyn seed pilot",
  },

  enrol: {
    title: "Protect your account",
    why: "From now on you sign in with a password and a code from your telephone. This is done once and takes a minute.",
    scan: "Open an app for one-time codes on your telephone and scan the square.",
    qr: "QR code that gives the telephone the key",
    manual: "Cannot scan it? Type the key into the app:",
    copy: "Copy the key",
    copied: "The key is copied.",
    newPassword: "A password of your own",
    newPasswordHint: "12 to 128 characters; several words in a row are easy to keep in mind. It replaces the one you were given.",
    newPasswordShort: "The password needs at least 12 characters.",
    code: "The code that the app shows now",
    finish: "Done, continue",
    again: "Show a new square",
  },

  choose: {
    title: "Choose an assignment",
    why: "The assignment decides what you see and whom you act for. You can switch at any time.",
    none: "You have no assignment that holds now. Whoever manages roles at your care provider can help.",
    chosen: "Your assignment now",
    noRoles: "No roles",
    switchTitle: "Switch assignment",
    switchWhy: "What you have open is closed, and a new session begins.",
    purposes: {
      "Vård och behandling": "Care and treatment",
      Kvalitetssäkring: "Quality assurance",
      "Annan dokumentation enligt lag": "Other documentation required by law",
      Statistik: "Statistics",
      Administration: "Administration",
      Kvalitetsregister: "Quality register",
    },
  },

  account: {
    menu: "Account",
    places: "Pages",
    slides: "Slides",
    roles: "Roles",
    switchAssignment: "Switch assignment",
    sessions: "My sessions",
    access: "Agreements and readiness",
    actingFor: "You act for",
  },

  lock: {
    title: "The screen is locked",
    why: "Nobody has done anything for a while. What you had open is still there.",
    unlock: "Unlock",
    goOn: "Continue",
    usePassword: "Use the password instead",
    useCode: "Use a one-time code instead",
    notYou: (name) => `Not ${name}?`,
  },

  idle: {
    title: "Are you still there?",
    locks: (left) => `The screen locks in ${left}, because nobody has done anything for a while.`,
    ends: (left) => `The session ends in ${left}, because it has lasted ten hours. Sign in anew to go on.`,
    goOn: "Continue",
    signInAnew: "Sign out and in again",
  },

  proof: {
    title: "Show that it is you",
    why: "This step asks you to show again who you are.",
    confirm: "Confirm",
    lately: (time) => `Proven ${time}`,
    again: "Prove again",
    done: "Thank you. This holds for five minutes.",
  },

  sessions: {
    title: "My sessions",
    why: "You are signed in here. End what you do not recognise, and tell IT.",
    here: "This browser",
    none: "You are signed in nowhere else.",
    began: (time) => `Began ${time}`,
    seen: (time) => `last used ${time}`,
    from: (address) => `from ${address}`,
    locked: "Locked",
    end: "End",
    endOf: (time) => `End the session that began ${time}`,
    ended: "The session has been ended.",
  },

  roles: {
    PAT: "Pathologist",
    RES: "Resident",
    LAB: "Biomedical scientist",
    COO: "Medical secretary or coordinator",
    HEAD: "Head of department",
    CLN: "Referring clinician",
    MDT: "MDT conference coordinator",
    LOG: "Log reviewer",
    DPO: "Data protection officer",
    AGR: "Agreement administrator",
    FIN: "Economist",
    ADM: "Administrator",
    OPS: "Platform operations",
    PTN: "Patient",
    GOV: "Governance",
  },

  access: {
    title: "Agreements and readiness",
    agreements: "Agreements",
    noAgreements: "Your care provider has no agreements here.",
    operator: "The platform's operator",
    unknown: "Unknown care provider",
    types: {
      CONNECTION: "Connection agreement",
      COOPERATION: "Cooperation agreement",
      PUB: "Data processing agreement",
      COHERENT_RECORD: "Coherent record",
      STAFF: "Staff agreement",
    },
    states: {
      DRAFT: "Draft",
      SIGNED: "Signed",
      ACTIVE: "In force",
      EXPIRING: "Expires soon",
      EXPIRED: "Expired",
      TERMINATED: "Terminated",
    },
    period: (from, to) => (to === "" ? `from ${from}, until further notice` : `${from} to ${to}`),
    checklists: "Before you can begin",
    checklistsWhy: "What has to be in place before one care provider can ask the other for an opinion.",
    noPairs: "There is no other care provider to work with yet.",
    pair: (customer, performer) => `${customer} asks ${performer}`,
    ready: "Everything is in place",
    done: (done, all) => `${done} of ${all} in place`,
    due: (day) => `by ${day}`,
    items: { DONE: "In place", EXPIRING: "In place, expires soon", MISSING: "Missing" },
  },

  obligations: {
    READ_ONLY: "Reading only: nothing can be drawn or answered here.",
    PROTECTED_BANNER: "Protected identity. Tell nobody where or when this patient is cared for.",
    BLOCK_NOTICE: "The patient has blocked other information, which is not shown here.",
  },

  refused: {
    title: "This slide cannot be shown to you",
    endedTitle: "The viewing has ended",
    nextStep: "What you can do",
    code: (code) => `Code ${code}`,
  },

  codes: {
    D01: {
      why: "Your session has ended, is locked, or the last proof of who you are is too old for this.",
      next: "Sign in or unlock the session; to sign, prove who you are again.",
    },
    D02: {
      why: "You signed in with one factor; this needs two.",
      next: "Sign in with your card, or with password and one-time code.",
    },
    D03: {
      why: "Your assignment does not cover this now: its dates, its purpose, or an agreement that one of the care providers has with the platform.",
      next: "Choose an assignment for care and treatment, or ask the agreement administrator what is missing.",
    },
    D04: {
      why: "None of your roles allows this, or the need-and-risk analysis behind the role is overdue.",
      next: "Ask your department's head for the role, or for the analysis to be renewed.",
    },
    D05: {
      why: "This is not ready to be shown, is in quarantine, or has been withdrawn.",
      next: "The laboratory that owns it sees why; ask there.",
    },
    D06: {
      why: "It is not certain whose this is.",
      next: "The laboratory that owns it must settle the identity first.",
    },
    D10: {
      why: "Nothing ties you to the care of this patient.",
      next: "If you take part in it, register a patient relation, or have the case assigned to you.",
    },
    D20: {
      why: "There is no legal ground for you to see this.",
      next: "Ask the owner to share it, or state why you need to look into another unit's records.",
    },
    D21: {
      why: "The agreement or the service behind this sharing is not in force now.",
      next: "The agreement administrators of both care providers can see what has to be renewed.",
    },
    D22: {
      why: "The request's state does not let you look now.",
      next: "Look at the request to see where it stands and who acts.",
    },
    D23: {
      why: "The patient's consent is missing or has ended.",
      next: "Ask the patient and register the consent.",
    },
    D24: {
      why: "You are outside the time in which this may be looked at.",
      next: "A conference's cases open with its deadline and close a day after it; a patient relation can be renewed.",
    },
    D25: { why: "This was not among what was shared.", next: "Ask the sender to extend what is shared." },
    D26: { why: "The sharing has ended.", next: "Ask the sender to share it again if it is still needed." },
    D27: {
      why: "This was shared with a named colleague, not with you.",
      next: "Ask the sender or your head to name you as well.",
    },
    D30: {
      why: "The patient has blocked this information.",
      next: "With the patient's consent or in an emergency it can be opened in two steps.",
    },
    D31: {
      why: "It cannot be told just now whether the patient has blocked this.",
      next: "Try again in a while; IT can see why the blocks are not up to date.",
    },
    D32: {
      why: "The patient has objected to sharing.",
      next: "Ask the patient; a later explicit consent opens it again.",
    },
    D40: {
      why: "The patient's identity is protected and you are not named for this.",
      next: "Ask the head of the owning unit to name you.",
    },
    D41: {
      why: "You took part in the work that is to be judged.",
      next: "Hand this over to a colleague who did not.",
    },
    D42: {
      why: "This may be looked at, but what you want to do with it is not allowed.",
      next: "Ask the owner's laboratory; it can do this or allow it in the service description.",
    },
    D90: {
      why: "The log cannot be written, so nothing is shown.",
      next: "Tell IT at once; access returns when the log does.",
    },
    NOT_SIGNED_IN: { why: "You are not signed in.", next: "Sign in." },
    SESSION_LOCKED: { why: "The session is locked.", next: "Unlock it to go on." },
    ENROLMENT_MISSING: {
      why: "Only a password protects your account so far.",
      next: "Set up your telephone first.",
    },
    ASSIGNMENT_MISSING: {
      why: "You have not chosen which assignment you act under.",
      next: "Choose one of your assignments.",
    },
    WRONG_PROOF: {
      why: "That is not right.",
      next: "Check it and take the next code: each code is taken once. After five failures you have to wait.",
    },
    TOO_MANY_ATTEMPTS: {
      why: "Too many attempts have failed.",
      next: "Wait a while and try again, or ask IT to unlock it.",
    },
    BUSY: { why: "Many people are signing in at this moment.", next: "Try again in a few seconds." },
    STALE: { why: "Somebody changed this meanwhile.", next: "Read the page again and repeat the change." },
    DATABASE_UNAVAILABLE: {
      why: "The database does not answer just now.",
      next: "Try again in a moment, and tell IT if it goes on.",
    },
    FOREIGN_SITE: {
      why: "This change was asked for by another site, so it was not made.",
      next: "Open Samsyn in a tab of its own.",
    },
    UNREACHABLE: {
      why: "The server is not answering at the moment.",
      next: "Check the network and try again.",
    },
    INTERNAL: {
      why: "Something went wrong on our side. It has been logged.",
      next: "Try again, and tell IT if it happens again.",
    },
  },
  waitFor: (minutes) => (minutes <= 1 ? "Wait a minute." : `Wait ${minutes} minutes.`),
};
