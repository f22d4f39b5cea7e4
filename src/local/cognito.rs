//! Cognito user pools: `AdminGetUser`, which finds the address that an `AccountTakeOverNotification` event lacks.

use serde_json::{Value, json};

use super::state::Shared;
use super::wire::{Call, Output, Refusal};

pub(super) fn handle(shared: &Shared, call: &Call) -> Result<Output, Refusal> {
    if call.operation != "AdminGetUser" {
        return Err(Refusal::silent("UnknownOperationException"));
    }
    let (Some(pool), Some(name)) = (call.str("UserPoolId"), call.str("Username")) else {
        return Err(Refusal::new(
            "InvalidParameterException",
            "UserPoolId and Username are required",
        ));
    };
    if !pool
        .strip_prefix(call.region.as_str())
        .is_some_and(|id| id.starts_with('_'))
    {
        return Err(Refusal::new(
            "ResourceNotFoundException",
            format!("User pool {pool} does not exist."),
        ));
    }
    let account = shared.account();
    let attributes = account
        .users
        .get(name)
        .ok_or_else(|| Refusal::new("UserNotFoundException", "User does not exist."))?;
    let attributes: Vec<Value> = attributes
        .iter()
        .map(|(name, value)| json!({ "Name": name, "Value": value }))
        .collect();
    Ok(Output::Json(json!({
        "Username": name, "UserAttributes": attributes, "Enabled": true, "UserStatus": "CONFIRMED",
        "UserCreateDate": 1_767_225_600, "UserLastModifiedDate": 1_767_225_600,
    })))
}
