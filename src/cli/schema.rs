//! `convoke schema`: for editors and for whoever writes scenarios with a program.

use super::Ending;
use super::args::{Schema, SchemaKind};
use super::output::Output;
use crate::scenario;

pub(super) fn schema(arguments: &Schema, output: &mut Output) -> Ending {
    let schema = match arguments.kind {
        SchemaKind::Scenario => scenario::schema(),
    };
    output.write(&format!("{schema:#}\n"))?;
    Ok(0)
}
