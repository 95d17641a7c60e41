//! Values in ITF: variants are `{"tag", "value"}`, a variant without a value has the empty tuple, whole numbers are
//! plain or `{"#bigint": "7"}`.

use serde::ser::{
    self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    Serializer,
};
use serde_json::{Map, Value, json};
use std::fmt;

/// Serializes into ITF.
#[derive(Clone, Copy)]
pub(super) struct Itf;

/// Something that no state holds.
#[derive(Debug)]
pub(super) struct Foreign(String);

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ITF has no {}", self.0)
    }
}

impl std::error::Error for Foreign {}

impl ser::Error for Foreign {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Foreign(message.to_string())
    }
}

fn variant(tag: &str, value: Value) -> Value {
    json!({ "tag": tag, "value": value })
}

fn unit() -> Value {
    json!({ "#tup": [] })
}

pub(super) fn none() -> Value {
    variant("None", unit())
}

pub(super) fn some(value: &Value) -> Value {
    variant("Some", value.clone())
}

/// What a pick picked.
pub(super) fn picked(pick: &Value) -> Result<Option<&Value>, String> {
    match (pick["tag"].as_str(), pick.get("value")) {
        (Some("None"), _) => Ok(None),
        (Some("Some"), Some(value)) => Ok(Some(value)),
        _ => Err(format!("{pick} is neither Some nor None")),
    }
}

/// The whole number that a value is, however it is written.
pub(super) fn number(value: &Value) -> Option<i128> {
    match value {
        Value::Number(number) => number.as_i64().map(i128::from),
        Value::Object(fields) if fields.len() == 1 => fields.get("#bigint")?.as_str()?.parse().ok(),
        Value::Object(_) | Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) => {
            None
        }
    }
}

/// The same value as serde writes it: what an action is read from.
pub(super) fn plain(value: &Value) -> Result<Value, String> {
    if let Some(number) = number(value) {
        let number = i64::try_from(number).map_err(|_| format!("{number} is too large"))?;
        return Ok(Value::from(number));
    }
    match value {
        Value::Object(fields) => match (fields.get("tag"), fields.get("value")) {
            (Some(Value::String(tag)), Some(value)) if *value == unit() => {
                Ok(Value::String(tag.clone()))
            }
            (Some(Value::String(tag)), Some(value)) => Ok(json!({ tag: plain(value)? })),
            _ => Err(format!("{value} is no variant")),
        },
        Value::Bool(_) | Value::String(_) => Ok(value.clone()),
        Value::Array(values) => values.iter().map(plain).collect(),
        Value::Null | Value::Number(_) => Err(format!("{value} is no value of ITF")),
    }
}

/// Where two values differ, and what each has there.
pub(super) fn difference(
    field: &str,
    model: Option<&Value>,
    file: Option<&Value>,
) -> Option<(String, Option<Value>, Option<Value>)> {
    let found = || Some((field.to_owned(), model.cloned(), file.cloned()));
    let (Some(one), Some(other)) = (model, file) else {
        return if model == file { None } else { found() };
    };
    match (one, other) {
        (Value::Object(a), Value::Object(b)) if number(one).is_none() => a
            .keys()
            .chain(b.keys().filter(|key| !a.contains_key(*key)))
            .find_map(|key| difference(&format!("{field}.{key}"), a.get(key), b.get(key))),
        (Value::Array(a), Value::Array(b)) => (0..a.len().max(b.len()))
            .find_map(|at| difference(&format!("{field}.{at}"), a.get(at), b.get(at))),
        (one, other) if one == other => None,
        (one, other) if number(one).is_some() && number(one) == number(other) => None,
        _ => found(),
    }
}

/// The values of a list.
pub(super) struct List(Vec<Value>);

/// The fields of a record, and the variant that they belong to.
pub(super) struct Fields(Option<&'static str>, Map<String, Value>);

impl SerializeSeq for List {
    type Ok = Value;
    type Error = Foreign;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Foreign> {
        self.0.push(value.serialize(Itf)?);
        Ok(())
    }

    fn end(self) -> Result<Value, Foreign> {
        Ok(Value::Array(self.0))
    }
}

/// A tuple is a list that says so.
pub(super) struct Tuple(Option<&'static str>, Vec<Value>);

impl Tuple {
    fn push<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Foreign> {
        self.1.push(value.serialize(Itf)?);
        Ok(())
    }

    fn finish(self) -> Value {
        let tuple = json!({ "#tup": self.1 });
        match self.0 {
            Some(tag) => variant(tag, tuple),
            None => tuple,
        }
    }
}

impl ser::SerializeTuple for Tuple {
    type Ok = Value;
    type Error = Foreign;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Foreign> {
        self.push(value)
    }

    fn end(self) -> Result<Value, Foreign> {
        Ok(self.finish())
    }
}

impl ser::SerializeTupleStruct for Tuple {
    type Ok = Value;
    type Error = Foreign;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Foreign> {
        self.push(value)
    }

    fn end(self) -> Result<Value, Foreign> {
        Ok(self.finish())
    }
}

impl ser::SerializeTupleVariant for Tuple {
    type Ok = Value;
    type Error = Foreign;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Foreign> {
        self.push(value)
    }

    fn end(self) -> Result<Value, Foreign> {
        Ok(self.finish())
    }
}

impl Fields {
    fn put<T: ?Sized + Serialize>(&mut self, key: &str, value: &T) -> Result<(), Foreign> {
        self.1.insert(key.to_owned(), value.serialize(Itf)?);
        Ok(())
    }

    fn finish(self) -> Value {
        let fields = Value::Object(self.1);
        match self.0 {
            Some(tag) => variant(tag, fields),
            None => fields,
        }
    }
}

impl SerializeStruct for Fields {
    type Ok = Value;
    type Error = Foreign;

    fn serialize_field<T: ?Sized + Serialize>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Foreign> {
        self.put(key, value)
    }

    fn end(self) -> Result<Value, Foreign> {
        Ok(self.finish())
    }
}

impl SerializeStructVariant for Fields {
    type Ok = Value;
    type Error = Foreign;

    fn serialize_field<T: ?Sized + Serialize>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Foreign> {
        self.put(key, value)
    }

    fn end(self) -> Result<Value, Foreign> {
        Ok(self.finish())
    }
}

/// No state has one.
pub(super) enum NoMap {}

impl SerializeMap for NoMap {
    type Ok = Value;
    type Error = Foreign;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, _: &T) -> Result<(), Foreign> {
        match *self {}
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, _: &T) -> Result<(), Foreign> {
        match *self {}
    }

    fn end(self) -> Result<Value, Foreign> {
        match self {}
    }
}

macro_rules! whole_numbers {
    ($($method:ident $type:ty,)*) => {$(
        fn $method(self, value: $type) -> Result<Value, Foreign> {
            // Numbers of states are small; a reader may write any of them as a big one.
            Ok(Value::from(value))
        }
    )*};
}

macro_rules! foreign {
    ($($method:ident $type:ty,)*) => {$(
        fn $method(self, _: $type) -> Result<Value, Foreign> {
            Err(Foreign(stringify!($type).to_owned()))
        }
    )*};
}

impl Serializer for Itf {
    type Ok = Value;
    type Error = Foreign;
    type SerializeSeq = List;
    type SerializeTuple = Tuple;
    type SerializeTupleStruct = Tuple;
    type SerializeTupleVariant = Tuple;
    type SerializeMap = NoMap;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    whole_numbers! {
        serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64,
    }

    foreign! { serialize_f32 f32, serialize_f64 f64, serialize_bytes &[u8], }

    fn serialize_bool(self, value: bool) -> Result<Value, Foreign> {
        Ok(Value::Bool(value))
    }

    fn serialize_char(self, value: char) -> Result<Value, Foreign> {
        Ok(Value::String(value.to_string()))
    }

    fn serialize_str(self, value: &str) -> Result<Value, Foreign> {
        Ok(Value::String(value.to_owned()))
    }

    fn serialize_none(self) -> Result<Value, Foreign> {
        Ok(none())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<Value, Foreign> {
        Ok(some(&value.serialize(Itf)?))
    }

    fn serialize_unit(self) -> Result<Value, Foreign> {
        Ok(unit())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Foreign> {
        Ok(unit())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        tag: &'static str,
    ) -> Result<Value, Foreign> {
        Ok(variant(tag, unit()))
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, Foreign> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        tag: &'static str,
        value: &T,
    ) -> Result<Value, Foreign> {
        Ok(variant(tag, value.serialize(self)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List, Foreign> {
        Ok(List(Vec::new()))
    }

    fn serialize_tuple(self, _: usize) -> Result<Tuple, Foreign> {
        Ok(Tuple(None, Vec::new()))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Tuple, Foreign> {
        Ok(Tuple(None, Vec::new()))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        tag: &'static str,
        _: usize,
    ) -> Result<Tuple, Foreign> {
        Ok(Tuple(Some(tag), Vec::new()))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<NoMap, Foreign> {
        Err(Foreign("map".to_owned()))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields, Foreign> {
        Ok(Fields(None, Map::new()))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        tag: &'static str,
        _: usize,
    ) -> Result<Fields, Foreign> {
        Ok(Fields(Some(tag), Map::new()))
    }
}
