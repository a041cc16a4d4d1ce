//! `env` and `dist`: what every expression sees of the environment.

use calipso_expr::{Frame, Layout};
use calipso_model::Environment;
use calipso_spec::{EnvView, checked::Distribution};

/// The values of `env` and `dist` for one environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScopeValues(EnvView);

impl ScopeValues {
    pub(crate) fn new(environment: &Environment, distribution: &Distribution) -> Self {
        Self(EnvView::new(environment, distribution))
    }

    /// Binds both names.
    pub(crate) fn set(&self, layout: &Layout, frame: &mut Frame) {
        for (name, value) in [("env", &self.0.env), ("dist", &self.0.dist)] {
            frame.bind(layout, name, value.clone());
        }
    }
}
