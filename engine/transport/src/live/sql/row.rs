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
        Cell::UInt(number) => i64::try_from(number).map_or(Value::Float(number as f64), Value::Int),
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
        return i64::try_from(number).map_or(Value::Float(number as f64), Value::Int);
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
