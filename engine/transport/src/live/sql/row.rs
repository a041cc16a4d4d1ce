//! Rows of a result as maps.

use base64::Engine as _;
use calipso_model::{Map, Str, Value};
use mysql_async::{
    Column, Row, Value as Cell,
    consts::{ColumnFlags, ColumnType},
};

/// The character set of columns that hold bytes.
const BINARY: u16 = 63;

/// A row as a map from column name to value; of equal names the last one counts.
///
/// # Shape
/// Numbers are numbers, except DECIMAL, which is exact text; dates and times are text; bytes are base64.
pub(super) fn to_map(row: Row) -> Map {
    let columns = row.columns();
    let pairs: Vec<(Str, Value)> = columns
        .iter()
        .zip(row.unwrap())
        .map(|(column, cell)| (Str::from(column.name_str().as_ref()), to_value(column, cell)))
        .collect();
    Map::from_pairs(pairs)
}

fn to_value(column: &Column, cell: Cell) -> Value {
    match cell {
        Cell::NULL => Value::Null,
        Cell::Int(number) => Value::Int(number),
        Cell::UInt(number) => Value::from_u64(number),
        // By its shortest text: 1.1 and not 1.10000002.
        Cell::Float(number) => number.to_string().parse().map_or(Value::Null, finite),
        Cell::Double(number) => finite(number),
        Cell::Date(year, month, day, hour, minute, second, micros) => {
            let mut text = format!("{year:04}-{month:02}-{day:02}");
            let is_date = matches!(column.column_type(), ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE);
            if !is_date {
                text += &format!("T{hour:02}:{minute:02}:{second:02}");
                if micros > 0 {
                    text += &format!(".{micros:06}");
                }
            }
            Value::from(text)
        }
        Cell::Time(negative, days, hours, minutes, seconds, micros) => {
            let sign = if negative { "-" } else { "" };
            let mut text = format!("{sign}{:02}:{minutes:02}:{seconds:02}", days * 24 + u32::from(hours));
            if micros > 0 {
                text += &format!(".{micros:06}");
            }
            Value::from(text)
        }
        Cell::Bytes(bytes) => bytes_value(column, bytes),
    }
}

fn finite(number: f64) -> Value {
    if number.is_finite() { Value::Float(number) } else { Value::Null }
}

fn bytes_value(column: &Column, bytes: Vec<u8>) -> Value {
    let may_hold_bytes = matches!(
        column.column_type(),
        ColumnType::MYSQL_TYPE_TINY_BLOB
            | ColumnType::MYSQL_TYPE_BLOB
            | ColumnType::MYSQL_TYPE_MEDIUM_BLOB
            | ColumnType::MYSQL_TYPE_LONG_BLOB
            | ColumnType::MYSQL_TYPE_STRING
            | ColumnType::MYSQL_TYPE_VAR_STRING
            | ColumnType::MYSQL_TYPE_VARCHAR
            | ColumnType::MYSQL_TYPE_GEOMETRY
    );
    if column.column_type() == ColumnType::MYSQL_TYPE_BIT {
        let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        return Value::from_u64(number);
    }
    let is_binary = column.character_set() == BINARY && column.flags().contains(ColumnFlags::BINARY_FLAG);
    if may_hold_bytes && is_binary {
        return Value::from(base64::engine::general_purpose::STANDARD.encode(bytes));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(error) => Value::from(base64::engine::general_purpose::STANDARD.encode(error.into_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: ColumnType, character_set: u16, flags: ColumnFlags) -> Column {
        Column::new(kind).with_character_set(character_set).with_flags(flags)
    }

    fn json(kind: ColumnType, cell: Cell) -> String {
        to_value(&column(kind, 45, ColumnFlags::empty()), cell).to_json()
    }

    #[test]
    fn every_kind_of_cell_has_its_value() {
        use ColumnType as T;
        assert_eq!(json(T::MYSQL_TYPE_LONG, Cell::NULL), "null");
        assert_eq!(json(T::MYSQL_TYPE_TINY, Cell::Int(1)), "1");
        assert_eq!(json(T::MYSQL_TYPE_LONGLONG, Cell::UInt(9)), "9");
        assert_eq!(json(T::MYSQL_TYPE_LONGLONG, Cell::UInt(u64::MAX)), "\"18446744073709551615\"");
        assert_eq!(json(T::MYSQL_TYPE_FLOAT, Cell::Float(1.1)), "1.1");
        assert_eq!(json(T::MYSQL_TYPE_DOUBLE, Cell::Double(1.1)), "1.1");
        assert_eq!(json(T::MYSQL_TYPE_NEWDECIMAL, Cell::Bytes(b"12.50".to_vec())), "\"12.50\"");
        assert_eq!(json(T::MYSQL_TYPE_VAR_STRING, Cell::Bytes("ä".into())), "\"ä\"");
        assert_eq!(json(T::MYSQL_TYPE_BIT, Cell::Bytes(vec![1, 2])), "258");
        assert_eq!(json(T::MYSQL_TYPE_DATE, Cell::Date(2026, 11, 22, 0, 0, 0, 0)), "\"2026-11-22\"");
        assert_eq!(json(T::MYSQL_TYPE_DATETIME, Cell::Date(2026, 11, 22, 1, 2, 3, 0)), "\"2026-11-22T01:02:03\"");
        assert_eq!(
            json(T::MYSQL_TYPE_TIMESTAMP, Cell::Date(2026, 1, 2, 1, 2, 3, 45)),
            "\"2026-01-02T01:02:03.000045\""
        );
        assert_eq!(json(T::MYSQL_TYPE_TIME, Cell::Time(true, 1, 2, 1, 2, 0)), "\"-26:01:02\"");
    }

    #[test]
    fn bytes_are_base64_and_text_is_text() {
        let bytes = || Cell::Bytes(b"ab".to_vec());
        let blob = column(ColumnType::MYSQL_TYPE_BLOB, BINARY, ColumnFlags::BINARY_FLAG);
        assert_eq!(to_value(&blob, bytes()), Value::text("YWI="));
        let text = column(ColumnType::MYSQL_TYPE_BLOB, 45, ColumnFlags::BLOB_FLAG);
        assert_eq!(to_value(&text, bytes()), Value::text("ab"));
        // A text column that sorts by bytes has the flag but a character set.
        let sorted = column(ColumnType::MYSQL_TYPE_VAR_STRING, 46, ColumnFlags::BINARY_FLAG);
        assert_eq!(to_value(&sorted, bytes()), Value::text("ab"));
        let broken = column(ColumnType::MYSQL_TYPE_VAR_STRING, 45, ColumnFlags::empty());
        assert_eq!(to_value(&broken, Cell::Bytes(vec![0xff])), Value::text("/w=="));
    }
}
