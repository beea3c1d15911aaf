//! Phase 11: what it says.

use serde_json::Value;

use crate::workflows::planning::{
    document::{Block, Layout, decisions},
    phase::{Phase, PhaseId, Stage},
    schema::{detail, label, led, list, object, path, sentence, single, text},
};

pub(super) static PHASE: Phase = Phase {
    id: PhaseId::ContentEngine,
    stage: Stage::Design,
    title: "Content",
    purpose: "Writes the words of the product: onboarding, emails, states, errors, questions and legal topics.",
    instructions: "You write the words that users will read, finished enough to be pasted in. Use the brand voice and the words of \
        customers; speak to one person; one thought per sentence. No exclamation marks, no praise of the product in its own \
        interface.\n\
        Onboarding leads to the activation metric in as few steps as possible, and every step says what the user gets for it. \
        Emails have a subject, a first line that gives the reason for writing, and one action. An empty state explains what will \
        appear here and how to make it appear. An error says what happened, whether anything was lost, and what to do now; it \
        never blames the user and never shows a code alone. A success message confirms the result and offers the next step. A \
        loading text names what is being done if it may take longer than two seconds.\n\
        Questions are those of a doubtful buyer: price, data, leaving, trust, limits. Answer them directly. For legal topics \
        list what the pages must cover for this product in particular, which data are held and why, and note that a lawyer \
        reviews the final text. The changelog has a template and a rhythm that one person can keep. Write variable parts in capitals, without \
        brackets.",
    upstream: &[
        PhaseId::CustomerIntel,
        PhaseId::Strategy,
        PhaseId::ProductDesign,
        PhaseId::GtmMarketing,
    ],
    schema_version: 1,
    schema,
    max_tokens: 6144,
    temperature: 0.5,
    searches: |idea| {
        [
            "onboarding copy examples",
            "welcome email",
            "frequently asked questions",
            "privacy policy requirements",
            "error messages",
            "changelog",
        ]
        .iter()
        .map(|topic| format!("{idea} {topic}"))
        .collect()
    },
    rubric: &[],
    decisions: |content| {
        decisions(
            content,
            &[
                ("Welcome", "/onboardingCopy/welcomeScreen"),
                ("First step", "/onboardingCopy/steps/0"),
                ("Welcome email", "/transactionalEmails/welcome/body"),
                ("First question", "/faqContent/0/question"),
                ("Privacy", "/legalRequirements/privacyPolicy"),
            ],
        )
    },
    query: |idea| format!("Onboarding, emails, questions and legal topics for: {idea}"),
    document,
};

fn schema() -> Value {
    let mail = || object([("subject", text(5, 120)), ("body", text(60, 900))]);
    object([
        (
            "onboardingCopy",
            object([
                ("welcomeScreen", led("Welcome, here you can", sentence())),
                ("steps", list(2, 6, led("In this step you", sentence()))),
                ("firstRunGuidance", detail(sentence())),
            ]),
        ),
        (
            "transactionalEmails",
            object([
                (
                    "welcome",
                    object([
                        ("subject", detail(label())),
                        ("body", led("Thank you for joining, now you can", text(60, 900))),
                    ]),
                ),
                ("passwordReset", detail(mail())),
                ("trialExpiring", detail(mail())),
                ("invoiceReceipt", detail(mail())),
                ("featureAnnouncement", detail(mail())),
            ]),
        ),
        (
            "emptyStates",
            single(list(
                1,
                8,
                object([
                    ("pageRoute", detail(path())),
                    ("headline", detail(label())),
                    ("body", led("Nothing is here yet, so", sentence())),
                    ("ctaText", detail(label())),
                    ("illustration", detail(sentence())),
                ]),
            )),
        ),
        (
            "errorMessages",
            object([
                ("validation", led("Please check", sentence())),
                ("apiErrors", detail(sentence())),
                ("networkErrors", led("The connection was lost, but", sentence())),
                ("paymentErrors", detail(sentence())),
            ]),
        ),
        (
            "successMessages",
            single(list(2, 8, led("All done, now", text(8, 200)))),
        ),
        ("loadingStates", detail(list(1, 6, text(8, 200)))),
        (
            "faqContent",
            single(list(
                4,
                12,
                object([
                    ("question", led("People often ask whether", sentence())),
                    ("answer", led("The answer is that", text(40, 600))),
                    ("category", detail(label())),
                ]),
            )),
        ),
        (
            "legalRequirements",
            object([
                ("privacyPolicy", led("It must say that", sentence())),
                ("termsOfService", detail(sentence())),
                ("cookieConsent", detail(sentence())),
                ("gdprCompliance", detail(sentence())),
            ]),
        ),
        (
            "changelogFormat",
            detail(object([("template", text(20, 600)), ("frequency", text(4, 120))])),
        ),
    ])
}

fn document(content: &Value) -> Vec<Block> {
    fn mail(layout: Layout<'_>) -> Layout<'_> {
        layout.facts(&[("Subject", "/subject")]).paragraph("/body")
    }
    Layout::of(content)
        .heading("Onboarding")
        .paragraph("/onboardingCopy/welcomeScreen")
        .facts(&[("First run", "/onboardingCopy/firstRunGuidance")])
        .numbered("Steps", "/onboardingCopy/steps")
        .heading("Welcome email")
        .within("/transactionalEmails/welcome", mail)
        .heading("Password reset email")
        .within("/transactionalEmails/passwordReset", mail)
        .heading("Trial ending email")
        .within("/transactionalEmails/trialExpiring", mail)
        .heading("Invoice email")
        .within("/transactionalEmails/invoiceReceipt", mail)
        .heading("Feature announcement email")
        .within("/transactionalEmails/featureAnnouncement", mail)
        .table(
            "Empty states",
            "/emptyStates",
            &[
                ("Page", "/pageRoute"),
                ("Headline", "/headline"),
                ("Text", "/body"),
                ("Button", "/ctaText"),
                ("Picture", "/illustration"),
            ],
        )
        .heading("Errors")
        .facts(&[
            ("Wrong entry", "/errorMessages/validation"),
            ("Our fault", "/errorMessages/apiErrors"),
            ("No connection", "/errorMessages/networkErrors"),
            ("Payment", "/errorMessages/paymentErrors"),
        ])
        .list("Success messages", "/successMessages")
        .list("Loading texts", "/loadingStates")
        .table(
            "Questions",
            "/faqContent",
            &[("Question", "/question"), ("Answer", "/answer"), ("Topic", "/category")],
        )
        .heading("Legal topics")
        .facts(&[
            ("Privacy policy", "/legalRequirements/privacyPolicy"),
            ("Terms of service", "/legalRequirements/termsOfService"),
            ("Cookies", "/legalRequirements/cookieConsent"),
            ("Data protection", "/legalRequirements/gdprCompliance"),
        ])
        .heading("Changelog")
        .facts(&[
            ("Template", "/changelogFormat/template"),
            ("Rhythm", "/changelogFormat/frequency"),
        ])
        .blocks()
}
