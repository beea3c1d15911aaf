//! Phase 9: what it is, page by page.

use serde_json::Value;

use crate::workflows::planning::{
    document::{Block, Layout, decisions},
    phase::{Phase, PhaseId, Stage},
    schema::{detail, entries, label, led, list, object, one_of, path, sentence, single, text},
};

pub(super) static PHASE: Phase = Phase {
    id: PhaseId::ProductDesign,
    stage: Stage::Design,
    title: "Product design",
    purpose: "Describes the first version so that a designer and a developer need to ask nothing.",
    instructions: "You design the first version. Cut until the remaining features deliver the whole value of the wedge and nothing \
        else; what is left out is written down, so that nobody builds it by accident. A user story names a person, an action and a \
        result that can be seen.\n\
        Draw the site as paths with a purpose each, and the flows as the steps from a need to its satisfaction. Choose one \
        activation metric: the earliest action after which people stay. The landing page has a headline in the customer's own \
        words, a subheadline that says how, and one call to action; each further section answers one doubt.\n\
        For each page of the application give its layout, components, the data it needs, and its empty, loading and error states; \
        an empty state tells the user what to do next. The design system fixes colours by role with sufficient contrast, type, \
        spacing and corners. Guide the copy with voice, headline patterns, button texts and small words. Name what makes people \
        hesitate and what earns trust; urgency must be true. Accessibility and speed targets are measurable. Recommend a small, \
        boring set of technologies.",
    upstream: &[PhaseId::CustomerIntel, PhaseId::Strategy, PhaseId::BusinessModel],
    schema_version: 1,
    schema,
    max_tokens: 8192,
    temperature: 0.5,
    searches: |idea| {
        [
            "landing page examples",
            "onboarding flow",
            "dashboard design",
            "accessibility requirements",
            "user interface patterns",
        ]
        .iter()
        .map(|topic| format!("{idea} {topic}"))
        .collect()
    },
    rubric: &[
        "design_specificity",
        "conversion_optimization",
        "customer_language_usage",
        "full_page_coverage",
    ],
    decisions: |content| {
        decisions(
            content,
            &[
                ("First user story", "/mvpScope/userStories/0"),
                ("First feature", "/mvpScope/featurePriority/0/feature"),
                ("Left out", "/mvpScope/outOfScope/0"),
                ("Activation metric", "/informationArchitecture/activationMetric"),
                ("Headline", "/landingPageBlueprint/aboveTheFold/headline"),
                ("Main page", "/appPages/0/purpose"),
            ],
        )
    },
    query: |idea| format!("First version, pages, flows and landing page for: {idea}"),
    document,
};

fn schema() -> Value {
    object([
        (
            "mvpScope",
            object([
                ("userStories", single(list(3, 10, led("A user can", sentence())))),
                (
                    "featurePriority",
                    single(list(
                        3,
                        12,
                        object([
                            ("feature", led("The first feature lets people", label())),
                            ("reasoning", led("It comes first because", sentence())),
                            ("priority", one_of(&["must_have", "nice_to_have", "future"])),
                        ]),
                    )),
                ),
                (
                    "outOfScope",
                    single(list(2, 8, led("The first version leaves out", sentence()))),
                ),
            ]),
        ),
        (
            "informationArchitecture",
            object([
                (
                    "siteMap",
                    single(list(
                        3,
                        15,
                        object([("path", path()), ("purpose", led("Here people", sentence()))]),
                    )),
                ),
                ("userFlows", detail(list(1, 6, text(40, 400)))),
                ("activationMetric", led("People stay after", sentence())),
            ]),
        ),
        (
            "landingPageBlueprint",
            object([
                (
                    "aboveTheFold",
                    object([
                        ("headline", led("Finally a simple way to", sentence())),
                        ("subheadline", detail(sentence())),
                        ("ctaText", detail(label())),
                        ("ctaColor", detail(label())),
                        ("socialProof", detail(sentence())),
                    ]),
                ),
                (
                    "sections",
                    detail(list(
                        2,
                        8,
                        object([
                            ("purpose", sentence()),
                            ("headline", text(8, 160)),
                            ("copyFramework", label()),
                            ("contentGuidance", sentence()),
                        ]),
                    )),
                ),
            ]),
        ),
        (
            "appPages",
            single(list(
                2,
                10,
                object([
                    ("route", detail(path())),
                    ("purpose", led("This page shows", sentence())),
                    ("layout", detail(sentence())),
                    ("components", detail(list(1, 10, label()))),
                    ("dataNeeded", detail(list(1, 10, label()))),
                    ("emptyState", led("When it is empty, it asks people to", sentence())),
                    ("loadingState", detail(sentence())),
                    ("errorState", detail(sentence())),
                ]),
            )),
        ),
        (
            "designSystem",
            detail(object([
                (
                    "colorPalette",
                    object([
                        ("primary", label()),
                        ("secondary", label()),
                        ("accent", label()),
                        ("background", label()),
                        ("text", label()),
                        ("success", label()),
                        ("warning", label()),
                        ("error", label()),
                    ]),
                ),
                ("typography", object([("headingFont", label()), ("bodyFont", label())])),
                ("spacing", label()),
                ("borderRadius", label()),
                ("iconStyle", label()),
            ])),
        ),
        (
            "copyGuidance",
            object([
                ("voiceAndTone", led("The voice is", sentence())),
                ("headlineFormulas", detail(list(1, 5, text(8, 200)))),
                ("ctaVariations", detail(list(2, 6, label()))),
                ("microcopy", detail(entries(2, 10))),
                ("socialProofStrategy", detail(sentence())),
            ]),
        ),
        (
            "conversionOptimization",
            object([
                (
                    "frictionPoints",
                    single(list(1, 6, led("People hesitate because", sentence()))),
                ),
                ("trustSignals", detail(list(1, 6, sentence()))),
                ("urgencyTactics", detail(list(1, 4, sentence()))),
            ]),
        ),
        ("accessibilityRequirements", detail(list(3, 8, sentence()))),
        (
            "performanceBudget",
            detail(object([
                ("lcp", text(2, 60)),
                ("fid", text(2, 60)),
                ("cls", text(1, 60)),
            ])),
        ),
        (
            "recommendedTechStack",
            detail(object([
                ("framework", label()),
                ("styling", label()),
                ("hosting", label()),
                ("assistantSkills", list(1, 8, label())),
                ("mapLibrary", label()),
                ("mapLibraryReason", sentence()),
            ])),
        ),
    ])
}

fn document(content: &Value) -> Vec<Block> {
    Layout::of(content)
        .list("User stories", "/mvpScope/userStories")
        .table(
            "Features",
            "/mvpScope/featurePriority",
            &[
                ("Feature", "/feature"),
                ("Priority", "/priority"),
                ("Why", "/reasoning"),
            ],
        )
        .list("Left out", "/mvpScope/outOfScope")
        .table(
            "Site map",
            "/informationArchitecture/siteMap",
            &[("Path", "/path"), ("Purpose", "/purpose")],
        )
        .list("Flows", "/informationArchitecture/userFlows")
        .heading("Activation metric")
        .paragraph("/informationArchitecture/activationMetric")
        .heading("Landing page")
        .quote("/landingPageBlueprint/aboveTheFold/headline")
        .facts(&[
            ("Subheadline", "/landingPageBlueprint/aboveTheFold/subheadline"),
            ("Call to action", "/landingPageBlueprint/aboveTheFold/ctaText"),
            ("Its colour", "/landingPageBlueprint/aboveTheFold/ctaColor"),
            ("Social proof", "/landingPageBlueprint/aboveTheFold/socialProof"),
        ])
        .table(
            "Sections of the landing page",
            "/landingPageBlueprint/sections",
            &[
                ("Headline", "/headline"),
                ("Purpose", "/purpose"),
                ("Pattern", "/copyFramework"),
                ("Content", "/contentGuidance"),
            ],
        )
        .heading("Pages of the application")
        .each("/appPages", "Page", "/route", |page| {
            page.paragraph("/purpose").facts(&[
                ("Layout", "/layout"),
                ("Components", "/components"),
                ("Data", "/dataNeeded"),
                ("When empty", "/emptyState"),
                ("While loading", "/loadingState"),
                ("On an error", "/errorState"),
            ])
        })
        .heading("Design system")
        .facts(&[
            ("Primary colour", "/designSystem/colorPalette/primary"),
            ("Secondary colour", "/designSystem/colorPalette/secondary"),
            ("Accent", "/designSystem/colorPalette/accent"),
            ("Background", "/designSystem/colorPalette/background"),
            ("Text", "/designSystem/colorPalette/text"),
            ("Success", "/designSystem/colorPalette/success"),
            ("Warning", "/designSystem/colorPalette/warning"),
            ("Error", "/designSystem/colorPalette/error"),
            ("Headings", "/designSystem/typography/headingFont"),
            ("Body", "/designSystem/typography/bodyFont"),
            ("Spacing", "/designSystem/spacing"),
            ("Corners", "/designSystem/borderRadius"),
            ("Icons", "/designSystem/iconStyle"),
        ])
        .heading("Copy")
        .paragraph("/copyGuidance/voiceAndTone")
        .facts(&[
            ("Headline patterns", "/copyGuidance/headlineFormulas"),
            ("Buttons", "/copyGuidance/ctaVariations"),
            ("Social proof", "/copyGuidance/socialProofStrategy"),
        ])
        .table(
            "Small words",
            "/copyGuidance/microcopy",
            &[("Place", "/name"), ("Text", "/value")],
        )
        .list("What makes people hesitate", "/conversionOptimization/frictionPoints")
        .list("What earns trust", "/conversionOptimization/trustSignals")
        .list("True urgency", "/conversionOptimization/urgencyTactics")
        .list("Accessibility", "/accessibilityRequirements")
        .heading("Speed")
        .facts(&[
            ("Largest paint", "/performanceBudget/lcp"),
            ("First input", "/performanceBudget/fid"),
            ("Layout shift", "/performanceBudget/cls"),
        ])
        .heading("Technology")
        .facts(&[
            ("Framework", "/recommendedTechStack/framework"),
            ("Styling", "/recommendedTechStack/styling"),
            ("Hosting", "/recommendedTechStack/hosting"),
            ("Skills to have at hand", "/recommendedTechStack/assistantSkills"),
            ("Maps", "/recommendedTechStack/mapLibrary"),
            ("Why", "/recommendedTechStack/mapLibraryReason"),
        ])
        .blocks()
}
