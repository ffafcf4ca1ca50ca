//! `convoke schema`: for editors, and for whoever writes scenarios or reads results with a program.

use super::Ending;
use super::args::{Schema, SchemaKind};
use super::output::Output;
use crate::report::result;
use crate::scenario;

pub(super) fn schema(arguments: &Schema, output: &mut Output) -> Ending {
    let schema = match arguments.kind {
        SchemaKind::Scenario => scenario::schema(),
        SchemaKind::Result => result::schema(),
        #[cfg(feature = "net")]
        SchemaKind::LoadResult => crate::load::result::schema(),
        #[cfg(feature = "net")]
        SchemaKind::Implementation => crate::implementation::schema(),
    };
    output.write(&format!("{schema:#}\n"))?;
    Ok(0)
}
