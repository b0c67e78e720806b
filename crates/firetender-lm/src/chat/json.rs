//! `tojson` as the Python library defines it for templates: no HTML escapes, characters as they are, `", "` and `": "` between.

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind};

/// Deepest nesting.
const DEPTH: usize = 64;

pub(super) fn tojson(value: &Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    // Options of `json.dumps` that change nothing here.
    let _: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    let mut out = String::new();
    write(value, indent.map(|indent| indent.min(16)), 0, &mut out)?;
    Ok(out)
}

fn write(
    value: &Value,
    indent: Option<usize>,
    depth: usize,
    out: &mut String,
) -> Result<(), Error> {
    let fail = |what: &str| {
        Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("tojson: {what}"),
        ))
    };
    if depth > DEPTH {
        return fail("nested too deeply");
    }
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&value.to_string()),
        ValueKind::String => quote(value.as_str().unwrap_or_default(), out)?,
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Vec<Value> = value.try_iter()?.collect();
            enclose('[', ']', items.len(), indent, depth, out, |i, out| {
                write(&items[i], indent, depth + 1, out)
            })?;
        }
        ValueKind::Map => {
            let keys: Vec<Value> = value.try_iter()?.collect();
            enclose('{', '}', keys.len(), indent, depth, out, |i, out| {
                quote(&keys[i].to_string(), out)?;
                out.push_str(": ");
                write(&value.get_item(&keys[i])?, indent, depth + 1, out)
            })?;
        }
        other => return fail(&format!("a value of kind {other}")),
    }
    Ok(())
}

fn quote(text: &str, out: &mut String) -> Result<(), Error> {
    let quoted = serde_json::to_string(text);
    out.push_str(
        &quoted.map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))?,
    );
    Ok(())
}

fn enclose(
    open: char,
    close: char,
    count: usize,
    indent: Option<usize>,
    depth: usize,
    out: &mut String,
    mut item: impl FnMut(usize, &mut String) -> Result<(), Error>,
) -> Result<(), Error> {
    let line = |out: &mut String, depth: usize| {
        if let Some(indent) = indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    };
    out.push(open);
    for i in 0..count {
        if i > 0 {
            out.push_str(if indent.is_some() { "," } else { ", " });
        }
        line(out, depth + 1);
        item(i, out)?;
    }
    if count > 0 {
        line(out, depth);
    }
    out.push(close);
    Ok(())
}
