//! The weights of the embedded model, in the form that runs fast.
//!
//! The published file holds 4-bit tensors of a kind the tensor library multiplies without vector instructions, six
//! times slower than 8-bit ones. They are converted once and kept beside the published file.

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Cursor, Read, Seek},
    path::{Path, PathBuf},
};

use candle_core::{
    Device,
    quantized::{GgmlDType, QTensor, gguf_file},
};
use candle_transformers::models::quantized_llama::ModelWeights;

use super::{engine::EngineError, vocabulary::Vocabulary};
use crate::planes::ai::models::{self, LANGUAGE_MODEL, ModelFiles, Part, Record};

/// Name of the converted file, below the models directory. The number changes with the way of conversion.
const CONVERTED: &str = "smollm2-135m-instruct/SmolLM2-135M-Instruct.Q8_0.v1.gguf";

/// How GGUF files of 8-bit tensors call themselves.
const FILE_TYPE_Q8_0: u32 = 7;

/// Reads the model and its vocabulary, converting the published file first if that was not done yet.
pub(super) fn load(directory: &Path) -> Result<(ModelWeights, Vocabulary), EngineError> {
    let files = ModelFiles::locate(directory, Part::Language)?;
    let converted = directory.join(CONVERTED);
    let mut record = Record::read(directory);
    if is_intact(&converted, &mut record) {
        record.save(directory);
        match File::open(&converted)
            .map_err(EngineError::from)
            .and_then(|file| read(BufReader::new(file)))
        {
            Ok(loaded) => return Ok(loaded),
            Err(error) => tracing::warn!(%error, "the converted model file is unusable and made again"),
        }
    }

    let source = files.path(&LANGUAGE_MODEL);
    tracing::info!("converting the embedded model, once");
    match store(&source, &converted) {
        Ok(sha256) => {
            let metadata = fs::metadata(&converted)?;
            record.remember(CONVERTED, metadata.len(), models::modified_nanos(&metadata), sha256);
            record.save(directory);
            read(BufReader::new(File::open(&converted)?))
        }
        Err(error) => {
            tracing::warn!(%error, "the converted model was not kept, and is converted at each start");
            let mut bytes = Cursor::new(Vec::new());
            convert(&source, &mut bytes)?;
            bytes.set_position(0);
            read(bytes)
        }
    }
}

/// Says whether the converted file is the one that was written.
fn is_intact(path: &Path, record: &mut Record) -> bool {
    let (Ok(metadata), Some(written)) = (fs::metadata(path), record.sha256(CONVERTED).map(str::to_owned)) else {
        return false;
    };
    let (bytes, modified) = (metadata.len(), models::modified_nanos(&metadata));
    if record.knows(CONVERTED, bytes, modified, &written) {
        return true;
    }
    let intact = models::sha256(path).is_ok_and(|found| found == written);
    if intact {
        record.remember(CONVERTED, bytes, modified, written);
    }
    intact
}

/// Converts `source` into `target`, which appears whole or not at all. Returns the SHA-256 of what was written.
fn store(source: &Path, target: &Path) -> Result<String, EngineError> {
    let unfinished = Unfinished(target.with_extension(format!("{}.unfinished", uuid::Uuid::new_v4())));
    let mut writer = BufWriter::new(File::create(&unfinished.0)?);
    convert(source, &mut writer)?;
    writer
        .into_inner()
        .map_err(|error| EngineError::Io(error.into_error().to_string()))?
        .sync_all()?;
    let sha256 = models::sha256(&unfinished.0)?;
    fs::rename(&unfinished.0, target)?;
    Ok(sha256)
}

/// A file that is removed unless it was renamed meanwhile.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It is gone when everything went well.
        let _ = fs::remove_file(&self.0);
    }
}

fn convert(source: &Path, target: &mut (impl std::io::Write + Seek)) -> Result<(), EngineError> {
    let mut reader = BufReader::new(File::open(source)?);
    let mut content = gguf_file::Content::read(&mut reader)?;
    content
        .metadata
        .insert("general.file_type".to_owned(), gguf_file::Value::U32(FILE_TYPE_Q8_0));

    // Hash maps have another order each time; the converted file shall not.
    let mut names: Vec<&String> = content.tensor_infos.keys().collect();
    names.sort();
    let mut tensors = Vec::with_capacity(names.len());
    for name in names {
        let tensor = content.tensor(&mut reader, name, &Device::Cpu)?;
        let tensor = if tensor.dtype() == GgmlDType::Q4_1 {
            QTensor::quantize(&tensor.dequantize(&Device::Cpu)?, GgmlDType::Q8_0)?
        } else {
            tensor
        };
        tensors.push((name.as_str(), tensor));
    }
    let mut metadata: Vec<_> = content
        .metadata
        .iter()
        .map(|(key, value)| (key.as_str(), value))
        .collect();
    metadata.sort_by_key(|(key, _)| *key);
    let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (*name, tensor)).collect();
    gguf_file::write(target, &metadata, &tensors)?;
    Ok(())
}

fn read(mut reader: impl Read + Seek) -> Result<(ModelWeights, Vocabulary), EngineError> {
    let content = gguf_file::Content::read(&mut reader)?;
    let vocabulary = Vocabulary::read(&content)?;
    let weights = ModelWeights::from_gguf(content, &mut reader, &Device::Cpu)?;
    Ok((weights, vocabulary))
}
