//! Comma- and tab-separated text, field by field, with line numbers.

use csv_core::{ReadFieldResult, ReaderBuilder};

use crate::ScalingError;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CsvRow {
    pub(crate) fields: Vec<String>,
    /// Line of its first field, from 1.
    pub(crate) line: usize,
}

/// Bound on fields in a row.
const MAX_FIELDS: usize = 4096;

/// Header and rows; all rows have as many fields as the header. Tabs separate fields if the first line holds one.
pub(crate) fn read_csv(text: &str, place: &str) -> Result<(CsvRow, Vec<CsvRow>), ScalingError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let tabs = text.lines().next().is_some_and(|line| line.contains('\t'));
    let mut reader = ReaderBuilder::new()
        .delimiter(if tabs { b'\t' } else { b',' })
        .build();
    let wrong = |line: usize, column: usize, what: String| ScalingError::Parse {
        place: place.into(),
        line,
        column,
        what,
    };
    let mut rows: Vec<CsvRow> = vec![];
    let mut input = text.as_bytes();
    let mut field: Vec<u8> = vec![];
    let mut buffer = [0; 4096];
    let mut fields: Vec<String> = vec![];
    let mut line = 1;
    loop {
        let before = reader.line() as usize;
        let (result, read, written) = reader.read_field(input, &mut buffer);
        input = &input[read..];
        field.extend_from_slice(&buffer[..written]);
        match result {
            ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
            ReadFieldResult::Field { record_end } => {
                if fields.is_empty() {
                    // The reader skips empty lines before a record.
                    line = before.max(reader.line() as usize - usize::from(record_end));
                }
                if fields.len() >= MAX_FIELDS {
                    return Err(wrong(
                        line,
                        fields.len(),
                        format!("more than {MAX_FIELDS} fields"),
                    ));
                }
                let done = String::from_utf8(std::mem::take(&mut field))
                    .map_err(|_| wrong(line, fields.len() + 1, "not UTF-8 text".into()))?;
                fields.push(done);
                if record_end {
                    let row = CsvRow {
                        fields: std::mem::take(&mut fields),
                        line,
                    };
                    if let Some(header) = rows.first()
                        && header.fields.len() != row.fields.len()
                    {
                        let what = format!(
                            "{} fields; expected {} as in the header",
                            row.fields.len(),
                            header.fields.len()
                        );
                        return Err(wrong(line, row.fields.len().min(header.fields.len()), what));
                    }
                    rows.push(row);
                }
            }
            ReadFieldResult::End => break,
        }
    }
    if rows.is_empty() {
        return Err(ScalingError::File {
            place: place.into(),
            what: "empty; expected a table with a header".into(),
        });
    }
    let header = rows.remove(0);
    Ok((header, rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_breaks_and_lines() {
        let (header, rows) = read_csv("a,b\n\"x, \"\"y\"\"\",1\n\nz,2\n", "t").unwrap();
        assert_eq!(header.fields, ["a", "b"]);
        assert_eq!(rows[0].fields, ["x, \"y\"", "1"]);
        assert_eq!((rows[0].line, rows[1].line), (2, 4));
        let (_, rows) = read_csv("a,b\r\n1,2\r\n3,4", "t").unwrap();
        assert_eq!((rows[0].line, rows[1].line), (2, 3));
        assert_eq!(rows[1].fields, ["3", "4"]);
    }

    #[test]
    fn long_fields_are_whole() {
        let long = "x".repeat(10_000);
        let (_, rows) = read_csv(&format!("a,b\n{long},1\n"), "t").unwrap();
        assert_eq!(rows[0].fields[0], long);
    }

    #[test]
    fn ragged_rows_are_refused() {
        let error = read_csv("a,b\n1,2\n3\n", "t").unwrap_err().to_string();
        assert!(error.contains("line 3"), "{error}");
    }
}
