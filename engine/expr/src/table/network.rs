//! Filters about addresses and URLs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use calipso_model::Value;

use super::Given;
use crate::{error::OpError, fuel::Fuel};

/// Address and prefix length of `a.b.c.d/n`, or of a map with `local` and `prefixlen`.
fn address(value: &Value) -> Result<(IpAddr, u8), OpError> {
    let (text, length) = match value {
        Value::Str(text) => {
            let (address, length) = text
                .split_once('/')
                .ok_or_else(|| OpError::new(format!("`{text}` is no address with a prefix length")))?;
            (address.to_owned(), length.parse::<u8>().ok())
        }
        Value::Map(map) => {
            let address = map.text("local").ok_or_else(|| OpError::new("the map has no text `local`"))?.to_string();
            let length = match map.get("prefixlen") {
                Some(Value::Int(length)) => u8::try_from(*length).ok(),
                Some(Value::Str(length)) => length.parse().ok(),
                _ => None,
            };
            (address, length)
        }
        other => return Err(OpError::new(format!("an address is text or a map, not {}", other.kind()))),
    };
    let address: IpAddr = text.parse().map_err(|_| OpError::new(format!("`{text}` is no IP address")))?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = length
        .filter(|length| *length <= most)
        .ok_or_else(|| OpError::new("the prefix length is no number in range"))?;
    Ok((address, length))
}

fn network(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(four) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(four) & mask))
        }
        IpAddr::V6(six) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(six) & mask))
        }
    }
}

pub(super) fn cidr_of(value: &Value, _: &Given<'_>, _: &mut Fuel) -> Result<Value, OpError> {
    let (address, length) = address(value)?;
    Ok(Value::from(format!("{}/{length}", network(address, length))))
}

pub(super) fn netmask(value: &Value, _: &Given<'_>, _: &mut Fuel) -> Result<Value, OpError> {
    let length = match value {
        Value::Int(length) => u8::try_from(*length).ok().filter(|length| *length <= 32),
        Value::Str(text) if !text.contains('/') => text.parse::<u8>().ok().filter(|length| *length <= 32),
        other => match address(other)? {
            (IpAddr::V4(_), length) => Some(length),
            (IpAddr::V6(_), _) => None,
        },
    };
    let length = length.ok_or_else(|| OpError::new("a netmask is made of an IPv4 prefix length"))?;
    Ok(Value::from(Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)).to_string()))
}

pub(super) fn ip_in(value: &Value, given: &Given<'_>, _: &mut Fuel) -> Result<Value, OpError> {
    let text = value.as_str().ok_or_else(|| OpError::new(format!("an address must be text, not {}", value.kind())))?;
    let inside: IpAddr = text.parse().map_err(|_| OpError::new(format!("`{text}` is no IP address")))?;
    let (around, length) = address(&Value::text(given.text(0, "the network")?))?;
    Ok(Value::Bool(inside.is_ipv4() == around.is_ipv4() && network(inside, length) == network(around, length)))
}

pub(super) fn with_host(value: &Value, given: &Given<'_>, _: &mut Fuel) -> Result<Value, OpError> {
    let url = value.as_str().ok_or_else(|| OpError::new(format!("a URL must be text, not {}", value.kind())))?;
    let host = match given.at(0) {
        None | Some(Value::Null) => return Ok(value.clone()),
        Some(Value::Str(host)) => host.clone(),
        Some(other) => return Err(OpError::new(format!("a host must be text, not {}", other.kind()))),
    };
    let valid = !host.is_empty()
        && host.chars().all(|character| character.is_ascii_alphanumeric() || ".-_:[]".contains(character));
    if !valid {
        return Err(OpError::new(format!("`{host}` is no host")));
    }
    let (scheme, rest) = url.split_once("://").ok_or_else(|| OpError::new(format!("`{url}` is no absolute URL")))?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let after_user = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // A colon inside of brackets belongs to the address.
    let behind_address = after_user.rfind(']').unwrap_or(0);
    let port = after_user.get(behind_address..).and_then(|tail| tail.get(tail.find(':')?..)).unwrap_or_default();
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_string() };
    Ok(Value::from(format!("{scheme}://{host}{port}{tail}")))
}
