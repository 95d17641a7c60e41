//! What a file claims of a state, read as the model's own types: variants of the state's enums are told from options by
//! the type that is wanted, which the JSON alone does not say.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

use super::value::{number, picked};
use crate::action::Action;
use crate::config::Config;
use crate::effect::Effect;
use crate::monitor;
use crate::state::State;
use crate::trace::newly_broken;

/// What a step breaks if it led to what a state of a file claims, with the effects that the file claims; nothing if
/// that is no state.
pub(super) fn breaks(
    config: &Config,
    before: &State,
    action: Action,
    said: &Value,
) -> Vec<&'static str> {
    let (Some(core), Some(world)) = (claimed(&said["core"]), claimed(&said["world"])) else {
        return Vec::new();
    };
    let Some(effects) = claimed::<Vec<Effect>>(&said["effects"]) else { return Vec::new() };
    // A claim may speak of what the configuration does not have, and then nothing can be said of it.
    let judge = AssertUnwindSafe(|| {
        let mut after = State { core, world, ghost: before.ghost.clone() };
        monitor::observe(config, before, action, &mut after, &effects);
        newly_broken(config, before, &after)
    });
    catch_unwind(judge).unwrap_or_default()
}

/// A value in ITF as the type that is wanted; none if it is no value of that type.
fn claimed<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(Claim(value)).ok()
}

#[derive(Clone, Copy)]
struct Claim<'de>(&'de Value);

impl<'de> Claim<'de> {
    fn list(self) -> Result<SeqDeserializer<impl Iterator<Item = Claim<'de>>, Error>, Error> {
        let list = self.0.as_array().or_else(|| self.0["#tup"].as_array());
        let list = list.ok_or_else(|| Error::custom("no list"))?;
        Ok(SeqDeserializer::new(list.iter().map(Claim)))
    }

    fn record(
        self,
    ) -> Result<MapDeserializer<'de, impl Iterator<Item = (&'de str, Claim<'de>)>, Error>, Error>
    {
        let record = self.0.as_object().ok_or_else(|| Error::custom("no record"))?;
        Ok(MapDeserializer::new(record.iter().map(|(field, value)| (field.as_str(), Claim(value)))))
    }
}

impl<'de> IntoDeserializer<'de, Error> for Claim<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Claim<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match (self.0, number(self.0)) {
            (_, Some(number)) => visitor.visit_i64(i64::try_from(number).map_err(Error::custom)?),
            (Value::Bool(value), _) => visitor.visit_bool(*value),
            (Value::String(value), _) => visitor.visit_str(value),
            (Value::Array(_), _) => visitor.visit_seq(self.list()?),
            (Value::Object(_), _) => visitor.visit_map(self.record()?),
            (Value::Null | Value::Number(_), _) => Err(Error::custom("no value of ITF")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match picked(self.0).map_err(Error::custom)? {
            Some(value) => visitor.visit_some(Claim(value)),
            None => visitor.visit_none(),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self.list()?)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple_struct map struct identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Claim<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let tag = self.0["tag"].as_str().ok_or_else(|| Error::custom("no variant"))?;
        let tag: StrDeserializer<'_, Error> = tag.into_deserializer();
        Ok((seed.deserialize(tag)?, Claim(&self.0["value"])))
    }
}

impl<'de> VariantAccess<'de> for Claim<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self.list()?)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(self.record()?)
    }
}
