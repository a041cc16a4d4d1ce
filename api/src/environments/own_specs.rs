//! Specs of single environments: taken when the whole catalogue with them has no error.

use calipso_model::Str;
use calipso_spec::{
    Loaded, Severity,
    checked::{ListCondition, Selector},
    environment::Mistake,
    own_layer, peek,
};
use calipso_store::{
    StoreError,
    work::{
        row::{self, Versioned},
        spec::{self, SpecRow},
        stamp,
    },
};
use serde_json::Value;

use crate::{
    access::Caller,
    catalogue::field_error,
    environments::body::rejected,
    problem::{FieldError, Problem},
    service::Service,
};

/// Bytes of one spec.
const MOST_BYTES: usize = 64 << 10;
/// Specs of one environment.
const MOST_SPECS: usize = 200;

/// Kinds that an environment may have of its own, with their folders.
const TAKEN: &[(&str, &str)] = &[("clique_type", "clique_types"), ("link_type", "link_types")];

/// Why the other kinds are not taken.
const REFUSED: &[(&str, &str)] = &[
    ("connection", "it decides where secrets are sent"),
    ("distribution", "it rewrites what is run on hosts"),
    ("fetcher", "it decides what is asked of hosts"),
    ("object_type", "the objects of all environments share it"),
    ("parser", "fetchers share it"),
];

/// A spec that somebody sent.
#[derive(Clone, Debug)]
pub struct Draft {
    pub environment: Str,
    pub kind: Str,
    /// Its name, where the request says one.
    pub name: Option<Str>,
    /// The YAML, or the same as a JSON object.
    pub content: Content,
}

/// The text of a spec, or the same as data.
#[derive(Clone, Debug)]
pub enum Content {
    Text(String),
    /// JSON of the same shape.
    Data(Value),
}

/// The id of the document of a spec.
#[must_use]
pub fn id(environment: &str, kind: &str, name: &str) -> String {
    format!("{environment}/{kind}/{name}")
}

/// A spec that was taken, and what its author should look at.
#[derive(Debug)]
pub struct KeptSpec {
    pub task: Versioned<SpecRow>,
    /// Warnings about it.
    pub warnings: Vec<FieldError>,
}

/// Checks a spec together with all others and keeps it: as a new one, or in place of a known version.
///
/// # Errors
/// 409 when there is one of that name, 412 when it changed meanwhile, 422 with the diagnostics.
pub async fn keep(
    service: &Service,
    caller: &Caller,
    draft: Draft,
    former: Option<Versioned<SpecRow>>,
) -> Result<KeptSpec, Problem> {
    let folder = folder_of(&draft.kind)?;
    let (pointer, text) = text_of(&draft)?;
    let name = match (peek(&text).name, &draft.name) {
        (Some(found), Some(wanted)) if found != *wanted => {
            let sentence = format!("the path names `{wanted}`, the spec is named `{found}`");
            return Err(rejected(vec![Mistake::new(pointer, sentence)]));
        }
        (found, wanted) => wanted.clone().or(found).unwrap_or_else(|| "unnamed".into()),
    };
    let usable = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 100 || !name.chars().all(usable) {
        let sentence = "a spec is named with at most 100 letters, digits, `_` and `-`";
        return Err(rejected(vec![Mistake::new(pointer, sentence)]));
    }
    let own = spec::of(service.backend.as_ref(), &draft.environment).await?;
    let id = id(&draft.environment, &draft.kind, &name);
    if former.is_none() && own.iter().any(|task| task.id.as_ref() == id) {
        let sentence =
            format!("{} has a {} `{name}` of its own already; PUT replaces it", draft.environment, draft.kind);
        return Err(Problem::conflict(sentence));
    }
    if former.is_none() && own.len() >= MOST_SPECS {
        return Err(Problem::conflict(format!("an environment has at most {MOST_SPECS} specs of its own")));
    }
    let spec = SpecRow {
        environment: draft.environment.clone(),
        kind: draft.kind.clone(),
        name: name.clone(),
        text: text.into(),
        changed_by: caller.user.clone(),
        timestamp: stamp(service.now_millis()),
    };
    let mut rows: Vec<SpecRow> = own.into_iter().filter(|task| task.id.as_ref() != id).map(|task| task.row).collect();
    rows.push(spec.clone());
    let loaded = service.catalogues.with(&draft.environment, &rows).await?;
    let file = format!("{}/{folder}/{name}.yaml", own_layer(&draft.environment));
    let errors = diagnostics_of(&loaded, Severity::Error, &file, pointer);
    if !errors.is_empty() {
        return Err(Problem::rejected(errors));
    }
    // What extends a spec has its selector; as one of the environment's own it counts there only, whatever that says.
    if !peek(&spec.text).extends && !selects_only(&loaded, &draft.kind, &name, &draft.environment) {
        let mistake =
            Mistake::new(pointer, format!("it must select the environment {} and no other", draft.environment));
        return Err(rejected(vec![mistake.help(format!("write `{}`", selection(&draft.environment)))]));
    }
    let mut warnings = diagnostics_of(&loaded, Severity::Warning, &file, pointer);
    warnings.retain(|warning| warning.line.is_some());
    let task = match former {
        None => row::insert(service.backend.as_ref(), &id, spec).await?,
        Some(mut former) => {
            former.row = spec;
            former.save(service.backend.as_ref()).await?;
            former
        }
    };
    Ok(KeptSpec { task, warnings })
}

/// Forgets a spec, unless others of the environment need it.
///
/// # Errors
/// 409 when they do, 412 when it changed meanwhile.
pub async fn forget(service: &Service, task: &Versioned<SpecRow>) -> Result<(), Problem> {
    let own = spec::of(service.backend.as_ref(), &task.row.environment).await?;
    let rows: Vec<SpecRow> = own.into_iter().filter(|other| other.id != task.id).map(|other| other.row).collect();
    if !rows.is_empty() {
        let loaded = service.catalogues.with(&task.row.environment, &rows).await?;
        let mut errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error);
        if let Some(first) = errors.next() {
            let sentence = format!("another spec needs it: {}: {}", first.primary.file, first.message);
            return Err(Problem::conflict(sentence));
        }
    }
    let removed = service.backend.remove(calipso_store::Collection::Specs, &task.id, Some(task.version)).await?;
    if removed { Ok(()) } else { Err(Problem::from(StoreError::Changed { what: "specs", name: task.id.clone() })) }
}

/// A spec of an environment.
///
/// # Errors
/// 404.
pub async fn get(service: &Service, environment: &str, kind: &str, name: &str) -> Result<Versioned<SpecRow>, Problem> {
    let found = row::get::<SpecRow>(service.backend.as_ref(), &id(environment, kind, name)).await?;
    found.ok_or_else(|| Problem::not_found(format!("{environment} has no {kind} `{name}` of its own")))
}

fn folder_of(kind: &str) -> Result<&'static str, Problem> {
    if let Some((_, folder)) = TAKEN.iter().find(|(taken, _)| *taken == kind) {
        return Ok(folder);
    }
    let known = "kinds are clique_type, link_type";
    let mistake = match REFUSED.iter().find(|(refused, _)| *refused == kind) {
        Some((_, why)) => {
            let sentence = format!("no single environment has a {kind} of its own, because {why}");
            Mistake::new("/kind", sentence).help("lay a folder of specs over the built-in ones instead")
        }
        None => Mistake::new("/kind", format!("there is no kind of spec `{kind}`")).help(known),
    };
    Err(rejected(vec![mistake]))
}

fn selection(environment: &str) -> String {
    format!("environment: {{name: {{any_of: [{}]}}}}", Value::from(environment))
}

/// The YAML of a draft, with the selector that it lacks; and where it stands in the body.
fn text_of(draft: &Draft) -> Result<(&'static str, String), Problem> {
    let too_long = |pointer: &'static str, text: &str| match text.len() > MOST_BYTES {
        true => Err(rejected(vec![Mistake::new(pointer, format!("a spec has at most {MOST_BYTES} bytes"))])),
        false => Ok(()),
    };
    let (pointer, text) = match &draft.content {
        Content::Text(text) => {
            too_long("/text", text)?;
            let peek = peek(text);
            let mut text = text.clone();
            if peek.is_open && !peek.selects && !peek.extends {
                if !text.ends_with('\n') {
                    text.push('\n');
                }
                text.push_str(&format!("{}\n", selection(&draft.environment)));
            }
            ("/text", text)
        }
        Content::Data(data) => {
            let mut data = data.clone();
            if let Some(map) = data.as_object_mut().filter(|map| map.get("extends") != Some(&Value::Bool(true))) {
                map.entry("environment")
                    .or_insert_with(|| serde_json::json!({"name": {"any_of": [draft.environment.as_ref()]}}));
            }
            ("/spec", serde_json::to_string_pretty(&data).map_err(Problem::bug)?)
        }
    };
    too_long(pointer, &text)?;
    Ok((pointer, text))
}

/// Diagnostics about the file; those about other files, which the new spec may have brought, carry their file's name.
fn diagnostics_of(loaded: &Loaded, severity: Severity, file: &str, pointer: &str) -> Vec<FieldError> {
    loaded
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == severity)
        .map(|diagnostic| {
            let mut error = field_error(diagnostic, &loaded.files, pointer);
            if diagnostic.primary.file.as_ref() != file {
                error.message = format!("{}: {}", diagnostic.primary.file, error.message);
                (error.line, error.column) = (None, None);
            }
            error
        })
        .collect()
}

fn selects_only(loaded: &Loaded, kind: &str, name: &str, environment: &str) -> bool {
    let only = |selector: &Selector| {
        let names = selector.name.as_ref();
        matches!(names, Some(ListCondition { any_of: Some(names), .. }) if matches!(names.as_slice(), [one] if one.as_ref() == environment))
    };
    match kind {
        "link_type" => loaded.specs.link_types.get(name).is_some_and(|spec| only(&spec.environment)),
        "clique_type" => loaded.specs.clique_types.get(name).is_some_and(|spec| only(&spec.environment)),
        _ => false,
    }
}
