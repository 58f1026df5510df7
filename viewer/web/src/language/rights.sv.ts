/** Swedish: who may, as whom, and why not. Part of `sv.ts`. */

type Why = { why: string; next: string };

export const rights = {
  signIn: {
    title: "Logga in",
    what: "Dela digitala glas och bedömningar mellan regionernas patologer.",
    ended: "Sessionen har avslutats. Logga in igen för att fortsätta där du var.",
    unreachable: "Servern svarar inte just nu.",
    signOut: "Logga ut",
    signOutFailed: "Det gick inte att logga ut. Försök igen, eller stäng webbläsaren.",
    account: "Lokalt konto",
    login: "Användarnamn",
    password: "Lösenord",
    code: "Engångskod",
    codeHint: "Sex siffror från appen i din telefon. Lämna tomt vid första inloggningen.",
    showPassword: "Visa lösenordet",
    loginMissing: "Skriv ditt användarnamn.",
    passwordMissing: "Skriv ditt lösenord.",
    codeMissing: "Skriv koden som appen visar nu.",
    working: "Loggar in …",
    demoTitle: "Demonstration",
    demoWhat: "Inga riktiga patienter. Välj vem du är och vad du arbetar som.",
    demoNobody: "Det finns inga demopersoner. Lägg in dem från kommandoraden:",
    demoCommand: "samsyn seed pilot",
  },

  enrol: {
    title: "Skydda ditt konto",
    why: "Från och med nu loggar du in med lösenord och en kod ur din telefon. Det görs en gång och tar en minut.",
    scan: "Öppna en app för engångskoder i telefonen och läs av rutan.",
    qr: "QR-kod som ger telefonen nyckeln",
    manual: "Kan du inte läsa av den? Skriv in nyckeln i appen:",
    copy: "Kopiera nyckeln",
    copied: "Nyckeln är kopierad.",
    newPassword: "Ett eget lösenord",
    newPasswordHint: "12 till 128 tecken; flera ord i rad går lätt att minnas. Det ersätter lösenordet du fick.",
    newPasswordShort: "Lösenordet behöver minst 12 tecken.",
    code: "Koden som appen visar nu",
    finish: "Klart, fortsätt",
    again: "Visa en ny ruta",
  },

  choose: {
    title: "Välj uppdrag",
    why: "Uppdraget avgör vad du ser och för vem du handlar. Du kan byta när som helst.",
    none: "Du har inget uppdrag som gäller nu. Den som sköter behörigheter hos din vårdgivare kan hjälpa dig.",
    chosen: "Ditt uppdrag nu",
    noRoles: "Inga roller",
    switchTitle: "Byt uppdrag",
    switchWhy: "Det du har öppet stängs, och en ny session börjar.",
    purposes: {
      "Vård och behandling": "Vård och behandling",
      Kvalitetssäkring: "Kvalitetssäkring",
      "Annan dokumentation enligt lag": "Annan dokumentation enligt lag",
      Statistik: "Statistik",
      Administration: "Administration",
      Kvalitetsregister: "Kvalitetsregister",
    },
  },

  account: {
    menu: "Konto",
    places: "Sidor",
    slides: "Glas",
    roles: "Roller",
    switchAssignment: "Byt uppdrag",
    sessions: "Mina sessioner",
    access: "Avtal och förutsättningar",
    actingFor: "Du arbetar för",
  },

  lock: {
    title: "Skärmen är låst",
    why: "Ingen har gjort något på en stund. Det du hade framme finns kvar.",
    unlock: "Lås upp",
    goOn: "Fortsätt",
    usePassword: "Använd lösenordet i stället",
    useCode: "Använd engångskod i stället",
    notYou: (name: string) => `Inte ${name}?`,
  },

  idle: {
    title: "Är du kvar?",
    locks: (left: string) => `Skärmen låses om ${left}, eftersom ingen har gjort något på en stund.`,
    ends: (left: string) =>
      `Sessionen avslutas om ${left}, eftersom den har varat i tio timmar. Logga in på nytt för att fortsätta.`,
    goOn: "Fortsätt",
    signInAnew: "Logga ut och in igen",
  },

  proof: {
    title: "Visa att det är du",
    why: "Det här steget kräver att du visar igen vem du är.",
    confirm: "Bekräfta",
    lately: (time: string) => `Styrkt ${time}`,
    again: "Styrk igen",
    done: "Tack. Det gäller i fem minuter.",
  },

  sessions: {
    title: "Mina sessioner",
    why: "Här är du inloggad. Avsluta det du inte känner igen, och säg till IT.",
    here: "Den här webbläsaren",
    none: "Du är inte inloggad någon annanstans.",
    began: (time: string) => `Började ${time}`,
    seen: (time: string) => `senast använd ${time}`,
    from: (address: string) => `från ${address}`,
    locked: "Låst",
    end: "Avsluta",
    endOf: (time: string) => `Avsluta sessionen som började ${time}`,
    ended: "Sessionen är avslutad.",
  },

  roles: {
    PAT: "Patolog",
    RES: "ST-läkare",
    LAB: "Biomedicinsk analytiker",
    COO: "Medicinsk sekreterare eller koordinator",
    HEAD: "Verksamhetschef eller sektionschef",
    CLN: "Remitterande läkare",
    MDT: "MDK-koordinator",
    LOG: "Logggranskare",
    DPO: "Dataskyddsombud",
    AGR: "Avtalsansvarig",
    FIN: "Ekonom",
    ADM: "Administratör",
    OPS: "Plattformsdrift",
    PTN: "Patient",
    GOV: "Uppföljning",
  },

  access: {
    title: "Avtal och förutsättningar",
    agreements: "Avtal",
    noAgreements: "Din vårdgivare har inga avtal här.",
    operator: "Plattformens driftansvariga",
    unknown: "Okänd vårdgivare",
    types: {
      CONNECTION: "Anslutningsavtal",
      COOPERATION: "Samarbetsavtal",
      PUB: "Personuppgiftsbiträdesavtal",
      COHERENT_RECORD: "Sammanhållen vårddokumentation",
      STAFF: "Avtal om personal",
    },
    states: {
      DRAFT: "Utkast",
      SIGNED: "Undertecknat",
      ACTIVE: "Gäller",
      EXPIRING: "Löper snart ut",
      EXPIRED: "Har löpt ut",
      TERMINATED: "Uppsagt",
    },
    period: (from: string, to: string) => (to === "" ? `från ${from}, tills vidare` : `${from} till ${to}`),
    checklists: "Innan ni kan börja",
    checklistsWhy: "Vad som behöver vara på plats för att den ena vårdgivaren ska kunna be den andra om en bedömning.",
    noPairs: "Det finns ingen annan vårdgivare att samarbeta med ännu.",
    pair: (customer: string, performer: string) => `${customer} frågar ${performer}`,
    ready: "Allt är på plats",
    done: (done: number, all: number) => `${done} av ${all} på plats`,
    due: (day: string) => `senast ${day}`,
    items: { DONE: "På plats", EXPIRING: "På plats, löper snart ut", MISSING: "Saknas" },
  },

  obligations: {
    READ_ONLY: "Bara läsning: här går det inte att rita eller svara.",
    PROTECTED_BANNER: "Skyddad identitet. Tala inte om för någon var eller när patienten vårdas.",
    BLOCK_NOTICE: "Patienten har spärrat andra uppgifter, som inte visas här.",
  },

  refused: {
    title: "Glaset kan inte visas för dig",
    endedTitle: "Visningen har avslutats",
    nextStep: "Vad du kan göra",
    code: (code: string) => `Kod ${code}`,
  },

  codes: {
    D01: {
      why: "Din session är avslutad eller låst, eller så är det för länge sedan du visade vem du är.",
      next: "Logga in eller lås upp. För att signera behöver du visa igen vem du är.",
    },
    D02: {
      why: "Du loggade in med en faktor; här krävs två.",
      next: "Logga in med ditt kort, eller med lösenord och engångskod.",
    },
    D03: {
      why: "Ditt uppdrag täcker inte det här nu: dess datum, dess ändamål eller ett avtal som någon av vårdgivarna har med plattformen.",
      next: "Välj ett uppdrag för vård och behandling, eller fråga den avtalsansvariga vad som saknas.",
    },
    D04: {
      why: "Ingen av dina roller tillåter det här, eller så är rollens behovs- och riskanalys för gammal.",
      next: "Be din verksamhetschef om rollen, eller om att analysen förnyas.",
    },
    D05: {
      why: "Det här är inte klart att visas, ligger i karantän eller har dragits tillbaka.",
      next: "Laboratoriet som äger det ser varför; fråga där.",
    },
    D06: {
      why: "Det är inte säkert vems det här är.",
      next: "Laboratoriet som äger det måste först reda ut identiteten.",
    },
    D10: {
      why: "Inget knyter dig till vården av den här patienten.",
      next: "Om du deltar i vården: registrera en patientrelation, eller bli tilldelad fallet.",
    },
    D20: {
      why: "Det finns ingen rättslig grund för att du ska se det här.",
      next: "Be ägaren dela det, eller ange varför du behöver se en annan enhets uppgifter.",
    },
    D21: {
      why: "Avtalet eller tjänsten som delningen vilar på gäller inte nu.",
      next: "De avtalsansvariga hos båda vårdgivarna ser vad som måste förnyas.",
    },
    D22: {
      why: "Ärendet är i ett läge där du inte får se bilderna.",
      next: "Se i ärendet var det står och vem som har nästa steg.",
    },
    D23: { why: "Patientens samtycke saknas eller har upphört.", next: "Fråga patienten och registrera samtycket." },
    D24: {
      why: "Du är utanför den tid då det här får visas.",
      next: "En konferens fall öppnas vid anmälningstidens slut och stängs ett dygn efter den; en patientrelation kan förnyas.",
    },
    D25: { why: "Det här ingick inte i det som delades.", next: "Be avsändaren utöka det som delas." },
    D26: { why: "Delningen har upphört.", next: "Be avsändaren dela igen om det fortfarande behövs." },
    D27: {
      why: "Det här delades med en namngiven kollega, inte med dig.",
      next: "Be avsändaren eller din chef att namnge även dig.",
    },
    D30: {
      why: "Patienten har spärrat uppgifterna.",
      next: "Med patientens samtycke eller vid nödsituation kan de öppnas i två steg.",
    },
    D31: {
      why: "Det går just nu inte att avgöra om patienten har spärrat det här.",
      next: "Försök igen om en stund. IT ser varför spärrarna inte är aktuella.",
    },
    D32: {
      why: "Patienten har motsatt sig delning.",
      next: "Fråga patienten; ett senare uttryckligt samtycke öppnar igen.",
    },
    D40: {
      why: "Patienten har skyddad identitet och du är inte namngiven för det här.",
      next: "Be chefen för den ägande enheten att namnge dig.",
    },
    D41: { why: "Du deltog i det arbete som ska bedömas.", next: "Lämna över till en kollega som inte gjorde det." },
    D42: {
      why: "Det här får visas, men det du vill göra med det är inte tillåtet.",
      next: "Fråga ägarens laboratorium; de kan göra det åt dig eller tillåta det i tjänstebeskrivningen.",
    },
    D90: {
      why: "Loggen kan inte skrivas, därför visas ingenting.",
      next: "Säg till IT genast; åtkomsten återkommer när loggen gör det.",
    },
    NOT_SIGNED_IN: { why: "Du är inte inloggad.", next: "Logga in." },
    SESSION_LOCKED: { why: "Sessionen är låst.", next: "Lås upp den för att fortsätta." },
    ENROLMENT_MISSING: {
      why: "Ditt konto skyddas ännu bara av ett lösenord.",
      next: "Koppla telefonen till kontot först.",
    },
    ASSIGNMENT_MISSING: {
      why: "Du har inte valt vilket uppdrag du arbetar under.",
      next: "Välj ett av dina uppdrag.",
    },
    WRONG_PROOF: {
      why: "Uppgifterna stämmer inte.",
      next: "Kontrollera dem och ta nästa kod: varje kod gäller en gång. Efter fem misslyckade försök får du vänta.",
    },
    TOO_MANY_ATTEMPTS: {
      why: "För många försök har misslyckats.",
      next: "Vänta en stund och försök igen, eller be IT låsa upp.",
    },
    BUSY: { why: "Många loggar in just nu.", next: "Försök igen om några sekunder." },
    STALE: { why: "Någon har ändrat det här under tiden.", next: "Läs om sidan och gör om ändringen." },
    DATABASE_UNAVAILABLE: {
      why: "Databasen svarar inte just nu.",
      next: "Försök igen om en stund, och säg till IT om det fortsätter.",
    },
    FOREIGN_SITE: {
      why: "Ändringen begärdes från en annan webbplats och gjordes därför inte.",
      next: "Öppna Samsyn i en egen flik.",
    },
    UNREACHABLE: { why: "Servern svarar inte just nu.", next: "Kontrollera nätverket och försök igen." },
    INTERNAL: {
      why: "Något gick fel hos oss. Det har loggats.",
      next: "Försök igen, och säg till IT om det händer igen.",
    },
  } as Record<string, Why>,
  waitFor: (minutes: number) => (minutes <= 1 ? "Vänta en minut." : `Vänta ${minutes} minuter.`),
};
