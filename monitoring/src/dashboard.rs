//! Grafana's dashboards as files.
//!
//! Owns the reading of the parts that are checked here. Whether every key is one that Grafana knows is checked by
//! `grafana/check-shape.sh`, with Grafana's own types. What is right and wrong is [`lint`](crate::lint)'s to say.

use std::path::PathBuf;
use std::{fs, io};

use serde::{Deserialize, Deserializer};

use crate::grid::Place;

/// A file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It is not the JSON of a dashboard.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// A dashboard.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Dashboard {
    /// By what links find it.
    pub uid: String,
    /// Its name.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// 1: the crosshair is shared by all panels.
    pub graph_tooltip: u32,
    /// Whether it can be changed in Grafana.
    pub editable: bool,
    /// Links at its top.
    pub links: Vec<Link>,
    /// Its variables.
    pub templating: Listed<Variable>,
    /// Marks on all graphs.
    pub annotations: Listed<Target>,
    /// What it shows, rows of panels among it.
    pub panels: Vec<Panel>,
}

/// A list in a wrapping.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Listed<T> {
    /// The list.
    pub list: Vec<T>,
}

/// A link to somewhere.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Link {
    /// What it says.
    pub title: String,
    /// Where it leads.
    pub url: String,
}

/// A variable that the reader chooses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it is made of, such as `query` or `datasource`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where the values of a query come from.
    pub datasource: Option<DataSource>,
    /// What gives its values.
    pub query: VariableQuery,
}

/// What gives a variable its values.
#[derive(Clone, Debug, Default)]
pub struct VariableQuery {
    /// In words, such as `label_values(metric, label)`; of a data source, its kind.
    pub query: String,
}

impl<'de> Deserialize<'de> for VariableQuery {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Grafana writes a string, or an object that holds one.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Object { query: String },
        }
        let (Written::Text(query) | Written::Object { query }) = Written::deserialize(deserializer)?;
        Ok(Self { query })
    }
}

/// Where data come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DataSource {
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// By what Grafana finds it.
    pub uid: String,
}

/// Something that is shown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Panel {
    /// Its number within the dashboard.
    pub id: u32,
    /// What it looks like, such as `row` or `timeseries`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its heading.
    pub title: String,
    /// What it shows, what is normal, what to do when it is not.
    pub description: String,
    /// Where it lies.
    pub grid_pos: Place,
    /// Where its data come from.
    pub datasource: Option<DataSource>,
    /// Its queries.
    pub targets: Vec<Target>,
    /// Links to what tells more.
    pub links: Vec<Link>,
    /// How values are shown.
    pub field_config: FieldConfig,
}

impl Panel {
    /// Whether it is the heading of a row.
    pub fn is_row(&self) -> bool {
        self.kind == "row"
    }
}

/// A query.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Target {
    /// Its letter within the panel.
    pub ref_id: String,
    /// The expression, with variables.
    pub expr: String,
    /// The name of each line, with labels.
    pub legend_format: String,
    /// Whether one moment is asked for, and not the whole time.
    pub instant: bool,
    /// Where data come from.
    pub datasource: Option<DataSource>,
}

/// How values are shown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FieldConfig {
    /// Of all fields.
    pub defaults: FieldDefaults,
}

/// How values of all fields are shown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FieldDefaults {
    /// What is measured.
    pub unit: String,
}

impl Dashboard {
    /// Reads every dashboard that Grafana is given, in the order of the files' names.
    ///
    /// # Errors
    ///
    /// [`DashboardError`] for the first file that can't be read.
    pub fn all() -> Result<Vec<Self>, DashboardError> {
        let directory = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../grafana/dashboards"));
        let failed = |source| DashboardError::Io { path: directory.clone(), source };
        let entries: Result<Vec<_>, _> = fs::read_dir(&directory).map_err(failed)?.collect();
        let mut paths: Vec<PathBuf> = entries.map_err(failed)?.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        paths.into_iter().map(Self::read).collect()
    }

    fn read(path: PathBuf) -> Result<Self, DashboardError> {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(DashboardError::Io { path, source }),
        };
        serde_json::from_str(&text).map_err(|source| DashboardError::Json { path, source })
    }
}
