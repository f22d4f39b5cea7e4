//! DynamoDB: `UpdateItem` and `GetItem` on one table a Region, and `DescribeTable`.
//!
//! The table is there from the start, under the name that the options give it, with the string `code` for its key. Its
//! attributes are strings, whole numbers and booleans, its paths are names of attributes, and its expressions know what
//! [`Parser`] knows. Everything else, also where DynamoDB would take it, is a `ValidationException`: nothing that would
//! change an answer is passed over.
//!
//! Source: the DynamoDB API reference and its developer guide's "Expressions". What neither says is what is seen of the
//! service: a missing attribute is `<>` every value, and removing from an item that is not there does not make one.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::state::{Account, Shared};
use super::wire::{Call, Input, Output, Refusal};

const KEY: &str = "code";

/// What a ledger may be tempted to call an attribute, of the 573 words that an expression takes in `#names` only.
const RESERVED: &str = "ACTION ADD AFTER AND AT ATTRIBUTE BEFORE BEGIN BETWEEN BY CHECK CONDITION COUNT COUNTER CURRENT \
    DATA DATE DAY DELETE DOMAIN DURATION END ERROR EXISTS FAIL FIRST FROM GROUP HASH HOUR IN INDEX ITEM KEY LANGUAGE \
    LAST LEVEL LIMIT LOCAL LOCATION LOCK LOG METHOD MINUTE MODE MONTH NAME NEW NOT NUMBER OLD OPTIONS OR OWNER \
    PARTITION PATH REFERENCE REGION RESPONSE RESULT RETURN ROLE SECOND SEQUENCE SESSION SET SIZE SOURCE START STATE \
    STATUS STRING TABLE TEXT TIME TIMESTAMP TO TOKEN TOTAL TTL TYPE UNTIL UPDATE URL USAGE USE USER USING UUID VALUE \
    VALUES WHEN WHERE WITH WORK YEAR ZONE";

/// DynamoDB's own bound on an expression.
const LONGEST_EXPRESSION: usize = 4096;
/// How deep parentheses and NOTs go here: the parser calls itself.
const DEEPEST: usize = 50;

pub(super) type Item = BTreeMap<String, Attribute>;
/// By Region and key.
pub(super) type Rows = BTreeMap<(String, String), Item>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Attribute {
    S(String),
    N(Number),
    #[serde(rename = "BOOL")]
    Bool(bool),
}

impl Attribute {
    /// As plain JSON; a number that JSON's readers would round is a string.
    pub(super) fn plain(&self) -> Value {
        match self {
            Self::S(text) => json!(text),
            Self::N(Number(n)) => {
                i64::try_from(*n).map_or_else(|_| n.to_string().into(), Value::from)
            }
            Self::Bool(is) => json!(is),
        }
    }
}

/// A number of 38 digits, as DynamoDB's are, but whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Number(pub(super) i128);

impl TryFrom<String> for Number {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.strip_prefix('-').unwrap_or(&text);
        let whole = (1..=38).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse().ok().filter(|_| whole).map(Self);
        number.ok_or(format!(
            "the stand-in takes whole numbers of 38 digits, not {text}"
        ))
    }
}

impl From<Number> for String {
    fn from(Number(n): Number) -> Self {
        n.to_string()
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Return {
    #[default]
    None,
    AllOld,
    AllNew,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct UpdateItem {
    table_name: String,
    key: Item,
    update_expression: Option<String>,
    condition_expression: Option<String>,
    expression_attribute_names: Option<BTreeMap<String, String>>,
    expression_attribute_values: Option<Item>,
    #[serde(default)]
    return_values: Return,
    #[serde(default)]
    return_values_on_condition_check_failure: Return,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetItem {
    table_name: String,
    key: Item,
    /// Every read here is.
    #[serde(rename = "ConsistentRead")]
    _consistent_read: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeTable {
    table_name: String,
}

/// The account stays locked for all of an operation, which makes it atomic.
pub(super) fn handle(shared: &Shared, call: &Call) -> Result<Output, Refusal> {
    let mut account = shared.account();
    match call.operation.as_str() {
        "UpdateItem" => update_item(&mut account, call),
        "GetItem" => get_item(&account, call),
        "DescribeTable" => describe_table(&account, call),
        _ => Err(Refusal::silent("UnknownOperationException")),
    }
    .map(Output::Json)
}

fn update_item(account: &mut Account, call: &Call) -> Result<Value, Refusal> {
    let input: UpdateItem = read(call)?;
    if input.return_values_on_condition_check_failure == Return::AllNew {
        return Err(invalid(
            "ReturnValuesOnConditionCheckFailure is NONE or ALL_OLD",
        ));
    }
    let slot = slot(account, call, &input.table_name, &input.key)?;
    let old = account.ledger.get(&slot);
    let item = old.cloned().unwrap_or_default();
    let mut terms = Terms::new(
        input.expression_attribute_names,
        input.expression_attribute_values,
    )?;
    // Both are read to their ends before either has an effect.
    let (mut new, sets) = match &input.update_expression {
        Some(text) => Parser::new("UpdateExpression", text, &item, &mut terms)?.update()?,
        None => (item.clone(), true),
    };
    let holds = match &input.condition_expression {
        Some(text) => Parser::new("ConditionExpression", text, &item, &mut terms)?.condition()?,
        None => true,
    };
    terms.are_used()?;
    if !holds {
        let told = input.return_values_on_condition_check_failure == Return::AllOld;
        let refusal = Refusal::new(
            "ConditionalCheckFailedException",
            "The conditional request failed",
        );
        return Err(Refusal {
            item: old.filter(|_| told).map(|old| Box::new(json!(old))),
            ..refusal
        });
    }
    let answer = match (input.return_values, old) {
        (Return::AllOld, Some(old)) => json!({ "Attributes": old }),
        (Return::AllNew, _) if sets || old.is_some() => {
            new.extend(input.key.clone());
            json!({ "Attributes": new })
        }
        _ => json!({}),
    };
    if sets || old.is_some() {
        new.extend(input.key);
        account.ledger.insert(slot, new);
    }
    Ok(answer)
}

fn get_item(account: &Account, call: &Call) -> Result<Value, Refusal> {
    let input: GetItem = read(call)?;
    let slot = slot(account, call, &input.table_name, &input.key)?;
    let item = account.ledger.get(&slot);
    Ok(item.map_or_else(|| json!({}), |item| json!({ "Item": item })))
}

fn describe_table(account: &Account, call: &Call) -> Result<Value, Refusal> {
    let input: DescribeTable = read(call)?;
    let table = table(account, call, &input.table_name)?;
    let rows = account.ledger.keys();
    Ok(json!({ "Table": {
        "TableName": table, "TableStatus": "ACTIVE", "CreationDateTime": 1_767_225_600,
        "TableArn": format!("arn:aws:dynamodb:{}:{}:table/{table}", call.region, account.id),
        "KeySchema": [{ "AttributeName": KEY, "KeyType": "HASH" }],
        "AttributeDefinitions": [{ "AttributeName": KEY, "AttributeType": "S" }],
        "BillingModeSummary": { "BillingMode": "PAY_PER_REQUEST" },
        "ItemCount": rows.filter(|(region, _)| *region == call.region).count(),
    } }))
}

fn read<'a, T: Deserialize<'a>>(call: &'a Call) -> Result<T, Refusal> {
    match &call.input {
        Input::Json(input) => T::deserialize(input).map_err(|error| invalid(error.to_string())),
        Input::Form(_) => Err(invalid("not JSON")),
    }
}

fn table<'a>(account: &'a Account, call: &Call, name: &str) -> Result<&'a str, Refusal> {
    let prefix = format!("arn:aws:dynamodb:{}:{}:table/", call.region, account.id);
    let name = name.strip_prefix(&prefix).unwrap_or(name);
    let table = account.ledger_table.as_deref();
    table
        .filter(|table| *table == name)
        .ok_or_else(|| Refusal::new("ResourceNotFoundException", "Requested resource not found"))
}

fn slot(
    account: &Account,
    call: &Call,
    name: &str,
    key: &Item,
) -> Result<(String, String), Refusal> {
    table(account, call, name)?;
    match key.get(KEY) {
        Some(Attribute::S(code)) if key.len() == 1 && (1..=2048).contains(&code.len()) => {
            Ok((call.region.clone(), code.clone()))
        }
        Some(Attribute::S(_)) if key.len() == 1 => Err(invalid(
            "One or more parameter values were invalid: a partition key has 1 to 2048 bytes",
        )),
        _ => Err(invalid(
            "The provided key element does not match the schema",
        )),
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("ValidationException", message)
}

/// What `#` and `:` stand for, and which of them an expression used: DynamoDB refuses the others.
#[derive(Default)]
struct Terms {
    names: BTreeMap<String, String>,
    values: Item,
    used: BTreeSet<String>,
}

impl Terms {
    fn new(names: Option<BTreeMap<String, String>>, values: Option<Item>) -> Result<Self, Refusal> {
        let empty = [
            ("Names", names.as_ref().is_some_and(BTreeMap::is_empty)),
            ("Values", values.as_ref().is_some_and(BTreeMap::is_empty)),
        ];
        if let Some((kind, _)) = empty.iter().find(|(_, empty)| *empty) {
            return Err(invalid(format!(
                "ExpressionAttribute{kind} must not be empty"
            )));
        }
        Ok(Self {
            names: names.unwrap_or_default(),
            values: values.unwrap_or_default(),
            used: BTreeSet::new(),
        })
    }

    fn are_used(&self) -> Result<(), Refusal> {
        let names = self.names.keys().map(|key| ("Names", key));
        let values = self.values.keys().map(|key| ("Values", key));
        match names
            .chain(values)
            .find(|(_, key)| !self.used.contains(*key))
        {
            Some((kind, key)) => Err(invalid(format!(
                "Value provided in ExpressionAttribute{kind} unused in expressions: keys: {{{key}}}"
            ))),
            None => Ok(()),
        }
    }
}

/// Reads an expression and works it out on the way; there are no short cuts, so that all of it is read.
///
/// ```text
/// update     = ("SET" set {"," set} | "REMOVE" path {"," path})+     set = path "=" (value | "if_not_exists(" path "," value ")")
/// condition  = and {"OR" and}      and = not {"AND" not}      not = "NOT" not | test
/// test       = "(" condition ")" | ("attribute_exists" | "attribute_not_exists") "(" path ")" | path comparison value
/// comparison = "=" | "<>" | "<" | "<=" | ">" | ">="      path = name | "#" name      value = ":" name
/// ```
struct Parser<'a> {
    member: &'static str,
    tokens: Vec<&'a str>,
    at: usize,
    depth: usize,
    /// Where the last parentheses were.
    parentheses: (usize, usize),
    /// The item as it is: every right-hand side and condition speaks of it.
    item: &'a Item,
    terms: &'a mut Terms,
}

impl<'a> Parser<'a> {
    fn new(
        member: &'static str,
        text: &'a str,
        item: &'a Item,
        terms: &'a mut Terms,
    ) -> Result<Self, Refusal> {
        let mut parser = Self {
            member,
            tokens: Vec::new(),
            at: 0,
            depth: 0,
            parentheses: (0, 0),
            item,
            terms,
        };
        if text.len() > LONGEST_EXPRESSION {
            return Err(parser.wrong("Expression size has exceeded the maximum allowed size"));
        }
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let length = token_length(rest);
            let Some((token, after)) = rest.split_at_checked(length).filter(|_| length > 0) else {
                return Err(parser.wrong(format!("Syntax error; near: \"{rest}\"")));
            };
            parser.tokens.push(token);
            rest = after.trim_start();
        }
        if parser.tokens.is_empty() {
            return Err(parser.wrong("The expression can not be empty"));
        }
        Ok(parser)
    }

    fn update(mut self) -> Result<(Item, bool), Refusal> {
        let mut new = self.item.clone();
        let (mut sections, mut paths) = (BTreeSet::new(), BTreeSet::new());
        while self.at < self.tokens.len() {
            let section = self.next().to_ascii_uppercase();
            if section != "SET" && section != "REMOVE" {
                return Err(self.unexpected());
            }
            loop {
                let path = self.path()?;
                if path == KEY {
                    return Err(invalid(format!(
                        "One or more parameter values were invalid: Cannot update attribute {path}. This attribute is part \
                         of the key"
                    )));
                }
                if !paths.insert(path.clone()) {
                    return Err(self.wrong(format!(
                        "Two document paths overlap with each other; must remove or rewrite one of these paths: [{path}]"
                    )));
                }
                if section == "SET" {
                    self.expect("=")?;
                    let value = self.assigned()?;
                    new.insert(path, value);
                } else {
                    new.remove(&path);
                }
                if !self.take(",") {
                    break;
                }
            }
            if !sections.insert(section) {
                return Err(self.wrong("A section can only be used once in an update expression"));
            }
        }
        Ok((new, sections.contains("SET")))
    }

    fn assigned(&mut self) -> Result<Attribute, Refusal> {
        if !self.take("if_not_exists") {
            return self.value();
        }
        self.expect("(")?;
        let path = self.path()?;
        self.expect(",")?;
        let value = self.value()?;
        self.expect(")")?;
        Ok(self.item.get(&path).cloned().unwrap_or(value))
    }

    fn condition(mut self) -> Result<bool, Refusal> {
        let holds = self.or()?;
        if self.at < self.tokens.len() {
            self.at += 1;
            return Err(self.unexpected());
        }
        Ok(holds)
    }

    fn or(&mut self) -> Result<bool, Refusal> {
        let mut holds = self.and()?;
        while self.take("OR") {
            holds |= self.and()?;
        }
        Ok(holds)
    }

    fn and(&mut self) -> Result<bool, Refusal> {
        let mut holds = self.not()?;
        while self.take("AND") {
            holds &= self.not()?;
        }
        Ok(holds)
    }

    fn not(&mut self) -> Result<bool, Refusal> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong("the stand-in takes no nesting as deep as this"));
        }
        let holds = if self.take("NOT") {
            !self.not()?
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(holds)
    }

    fn test(&mut self) -> Result<bool, Refusal> {
        let start = self.at;
        if self.take("(") {
            let holds = self.or()?;
            let end = self.at;
            self.expect(")")?;
            if self.parentheses == (start + 1, end.saturating_sub(1)) {
                return Err(self.wrong("The expression has redundant parentheses"));
            }
            self.parentheses = (start, end);
            return Ok(holds);
        }
        if self.tokens.get(self.at + 1) == Some(&"(") {
            let wanted = match self.next() {
                "attribute_exists" => true,
                "attribute_not_exists" => false,
                _ => return Err(self.unexpected()),
            };
            self.expect("(")?;
            let path = self.path()?;
            self.expect(")")?;
            return Ok(self.item.contains_key(&path) == wanted);
        }
        let path = self.path()?;
        let comparison = self.next();
        if !["=", "<>", "<", "<=", ">", ">="].contains(&comparison) {
            return Err(self.unexpected());
        }
        let value = self.value()?;
        if matches!(value, Attribute::Bool(_)) && !matches!(comparison, "=" | "<>") {
            return Err(self.wrong(format!(
                "Incorrect operand type for operator or function; operator: {comparison}, operand type: BOOL"
            )));
        }
        // Values of two types are in no order, and unequal.
        let order = self
            .item
            .get(&path)
            .filter(|own| discriminant(*own) == discriminant(&value))
            .map(|own| own.cmp(&value));
        Ok(match comparison {
            "<>" => order != Some(Ordering::Equal),
            "=" => order == Some(Ordering::Equal),
            "<" => order.is_some_and(Ordering::is_lt),
            "<=" => order.is_some_and(Ordering::is_le),
            ">" => order.is_some_and(Ordering::is_gt),
            _ => order.is_some_and(Ordering::is_ge),
        })
    }

    fn path(&mut self) -> Result<String, Refusal> {
        let token = self.next();
        if token.starts_with('#') {
            self.terms.used.insert(token.to_owned());
            return self.terms.names.get(token).cloned().ok_or_else(|| {
                self.wrong(format!(
                    "An expression attribute name used in the document path is not defined; attribute name: {token}"
                ))
            });
        }
        if !token.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Err(self.unexpected());
        }
        if RESERVED
            .split(' ')
            .any(|word| word.eq_ignore_ascii_case(token))
        {
            return Err(self.wrong(format!(
                "Attribute name is a reserved keyword; reserved keyword: {token}"
            )));
        }
        Ok(token.to_owned())
    }

    fn value(&mut self) -> Result<Attribute, Refusal> {
        let token = self.next();
        if !token.starts_with(':') {
            return Err(self.unexpected());
        }
        self.terms.used.insert(token.to_owned());
        self.terms.values.get(token).cloned().ok_or_else(|| {
            self.wrong(format!(
                "An expression attribute value used in expression is not defined; attribute value: {token}"
            ))
        })
    }

    /// The next token; an empty one at the end.
    fn next(&mut self) -> &'a str {
        let token = self.tokens.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        token
    }

    /// Functions are written in lower case only; keywords as one likes.
    fn take(&mut self, wanted: &str) -> bool {
        let taken = self.tokens.get(self.at).is_some_and(|token| {
            *token == wanted
                || matches!(wanted, "AND" | "OR" | "NOT") && token.eq_ignore_ascii_case(wanted)
        });
        self.at += usize::from(taken);
        taken
    }

    fn expect(&mut self, wanted: &str) -> Result<(), Refusal> {
        if self.take(wanted) {
            return Ok(());
        }
        self.at += 1;
        Err(self.unexpected())
    }

    /// The token just read has no meaning where it is, to the stand-in.
    fn unexpected(&self) -> Refusal {
        let token = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        let token = token.copied().unwrap_or("<EOF>");
        self.wrong(format!("Syntax error; token: \"{token}\""))
    }

    fn wrong(&self, what: impl AsRef<str>) -> Refusal {
        invalid(format!("Invalid {}: {};", self.member, what.as_ref()))
    }
}

/// 0 when nothing of the language starts here.
fn token_length(text: &str) -> usize {
    let name = |text: &str| {
        text.bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
            .count()
    };
    match text.as_bytes() {
        [b'<', b'>' | b'=', ..] | [b'>', b'=', ..] => 2,
        [b'(' | b')' | b',' | b'=' | b'<' | b'>', ..] => 1,
        [b'#' | b':', ..] => match name(text.get(1..).unwrap_or_default()) {
            0 => 0,
            length => length + 1,
        },
        [first, ..] if first.is_ascii_alphabetic() => name(text),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sdk_dynamodb::Client;
    use aws_sdk_dynamodb::config::retry::RetryConfig;
    use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
    use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
    use aws_sdk_dynamodb::types::{
        AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure,
    };

    use super::super::{Fault, Options, StandIn};
    use super::*;

    fn items(value: Value) -> Item {
        serde_json::from_value(value).unwrap()
    }

    /// What the expression makes of `{code: "c", sent: 10, by: "sms", done: false}`.
    fn evaluate<T>(
        text: &str,
        run: impl FnOnce(Parser<'_>) -> Result<T, Refusal>,
    ) -> Result<T, String> {
        let parser = |terms: &mut Terms| {
            let item = items(json!({
                "code": { "S": "c" }, "sent": { "N": "10" }, "by": { "S": "sms" }, "done": { "BOOL": false },
            }));
            run(Parser::new("Expression", text, &item, terms)?)
        };
        let values = json!({ ":9": { "N": "9" }, ":10": { "N": "010" }, ":s": { "S": "sms" }, ":no": { "BOOL": false } });
        let names = BTreeMap::from([("#by".to_owned(), "by".to_owned())]);
        let mut terms = Terms::new(Some(names), Some(items(values))).unwrap_or_default();
        parser(&mut terms).map_err(|refusal| refusal.message.unwrap_or_default())
    }

    #[test]
    fn conditions_hold_as_in_dynamodb() {
        for (condition, holds) in [
            ("attribute_exists(sent)", true),
            ("attribute_not_exists(sent)", false),
            ("attribute_not_exists ( other )", true),
            // Numbers are no texts.
            (
                "sent > :9 AND sent >= :10 AND sent <= :10 AND sent = :10",
                true,
            ),
            ("sent < :9", false),
            ("#by=:s and not done <> :no", true),
            // Values of two types, and attributes that there are not.
            ("sent = :s OR sent < :s OR sent >= :s", false),
            ("sent <> :s AND other <> :s", true),
            ("other = :s OR other < :9 OR other >= :9", false),
            // NOT binds closer than AND, and AND closer than OR.
            ("NOT sent = :9 AND sent = :9", false),
            ("NOT (sent = :9 AND sent = :10)", true),
            ("sent = :10 OR sent = :9 AND sent = :9", true),
            ("(sent = :10 OR sent = :9) AND sent = :9", false),
            ("((sent = :10) OR sent = :9) AND (NOT (sent = :9))", true),
        ] {
            assert_eq!(
                evaluate(condition, |parser| parser.condition()),
                Ok(holds),
                "{condition}"
            );
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let deep = format!("{}sent = :9", "NOT ".repeat(1000));
        let long = "(".repeat(5000);
        // The last is read to its end although it is settled before.
        let conditions = "| |sent|sent =|sent = :9 AND|sent = :9 sent = :9|sent == :9|(sent = :9|sent = :9)|sent = sent|\
            :9 = sent|sent = 9|sent = :other|#other = :9|# = :9|sent.to = :9|sent[0] = :9|size(sent) = :9|\
            begins_with(#by, :s)|Attribute_Exists(sent)|attribute_exists(:9)|done < :no|sent BETWEEN :9 AND :10|\
            sent IN (:9)|((sent = :9))|status = :s|é = :9|AND|NOT|)|sent = :10 OR nonsense";
        for condition in conditions.split('|').chain([&*deep, &*long]) {
            let read = evaluate(condition, |parser| parser.condition());
            assert!(read.is_err(), "{condition}");
        }
        let updates = "|SET|SET sent|SET sent = |SET sent = :9,|SET sent = :9 :9|SET sent = sent|SET sent = sent + :9|\
            SET a = :9 SET b = :9|SET a = :9, a = :10|SET a = :9 REMOVE a|SET code = :s|REMOVE code|ADD sent :9|\
            DELETE sent :9|REMOVE|REMOVE sent = :9|SET ttl = :9|SET a = if_not_exists(a)|sent = :9|\
            SET a = if_not_exists(a, b)|SET a = list_append(a, :9)";
        for update in updates.split('|') {
            let read = evaluate(update, |parser| parser.update());
            assert!(read.is_err(), "{update}");
        }
    }

    #[test]
    fn updates_speak_of_the_item_as_it_was() {
        let updated = |update: &str| {
            let (item, sets) = evaluate(update, |parser| parser.update()).unwrap();
            let plain = item
                .iter()
                .map(|(name, value)| (name.clone(), value.plain()));
            (plain.collect::<Value>(), sets)
        };
        assert_eq!(
            updated(
                "set sent = :9, a = if_not_exists(sent, :9), b = if_not_exists(a, :s) remove #by, other"
            ),
            (
                json!({ "a": 10, "b": "sms", "code": "c", "done": false, "sent": 9 }),
                true
            )
        );
        assert!(!updated("REMOVE sent").1);
    }

    #[test]
    fn numbers_are_whole_and_exact() {
        let number = |text: &str| Number::try_from(text.to_owned());
        assert_eq!(number("-007"), Ok(Number(-7)));
        assert!(number(&"9".repeat(38)).is_ok());
        for bad in ["", "-", "+1", "1.5", "1e3", " 1", &"9".repeat(39)] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }

    fn client(stand_in: &StandIn) -> Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::from_keys("AKID", "secret", None))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
            .endpoint_url(stand_in.endpoint());
        Client::from_conf(config.build())
    }

    fn s(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    #[tokio::test]
    async fn the_sdk_claims_a_code_once() {
        let stand_in = StandIn::start(Options::default()).unwrap();
        let client = client(&stand_in);
        let claim = |by: String| {
            client
                .update_item()
                .table_name("ledger")
                .key("code", s("c"))
                .update_expression("SET #by = :by, expires = :at")
                .condition_expression("attribute_not_exists(code)")
                .expression_attribute_names("#by", "by")
                .expression_attribute_values(":by", AttributeValue::S(by))
                .expression_attribute_values(":at", AttributeValue::N("1767225600".to_owned()))
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(OnFailure::AllOld)
                .send()
        };
        let claims = (0..8).map(|n| claim(n.to_string()));
        let claims = futures_util::future::join_all(claims).await;
        let (won, lost): (Vec<_>, Vec<_>) = claims.into_iter().partition(Result::is_ok);
        let [Ok(won)] = won.as_slice() else {
            panic!("{won:?}");
        };
        let item = won.attributes().unwrap();
        for lost in lost {
            let UpdateItemError::ConditionalCheckFailedException(lost) =
                lost.unwrap_err().into_service_error()
            else {
                panic!("another error");
            };
            assert_eq!(
                (lost.item(), lost.message()),
                (Some(item), Some("The conditional request failed"))
            );
        }
        let read = client
            .get_item()
            .table_name("ledger")
            .key("code", s("c"))
            .send();
        assert_eq!(read.await.unwrap().item(), Some(item));
        let absent = client
            .get_item()
            .table_name("ledger")
            .key("code", s("d"))
            .send();
        assert_eq!(absent.await.unwrap().item(), None);
        let by = item.get("by").and_then(|by| by.as_s().ok());
        assert_eq!(
            stand_in.ledger(),
            [json!({ "by": by, "code": "c", "expires": 1_767_225_600 })]
        );
        assert_eq!(stand_in.calls("UpdateItem").count, 8);
        assert!(stand_in.connections("dynamodb") > 0);
        stand_in.clear_ledger();
        assert!(claim("again".to_owned()).await.is_ok());

        // What befalls a call is the SDK's own error, and the SDK tries again.
        stand_in.add_fault("UpdateItem", Fault::Throttle, 1);
        stand_in.add_fault("UpdateItem", Fault::ServerError { status: 500 }, 1);
        let error = claim("retried".to_owned())
            .await
            .unwrap_err()
            .into_service_error();
        assert!(error.is_conditional_check_failed_exception(), "{error:?}");
        stand_in.add_fault("UpdateItem", Fault::Throttle, None);
        let error = claim("throttled".to_owned())
            .await
            .unwrap_err()
            .into_service_error();
        assert!(error.is_throttling_exception(), "{error:?}");
        stand_in.clear_faults();
        stand_in.remove_ledger_table();
        let error = claim("homeless".to_owned())
            .await
            .unwrap_err()
            .into_service_error();
        assert!(error.is_resource_not_found_exception(), "{error:?}");
        assert!(stand_in.ledger().is_empty());
    }

    #[tokio::test]
    async fn a_request_means_what_it_says_or_is_refused() {
        let stand_in = StandIn::start(Options::default()).unwrap();
        let client = client(&stand_in);
        let update = || {
            client
                .update_item()
                .table_name("ledger")
                .key("code", s("c"))
        };
        let removed = update()
            .update_expression("REMOVE a")
            .return_values(ReturnValue::AllNew);
        assert_eq!(removed.send().await.unwrap().attributes(), None);
        assert!(stand_in.ledger().is_empty(), "nothing is made by a REMOVE");
        let failed = update()
            .condition_expression("attribute_exists(code)")
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        let failed = failed.send().await.unwrap_err().into_service_error();
        assert!(
            matches!(failed, UpdateItemError::ConditionalCheckFailedException(failed) if failed.item().is_none())
        );
        let made = update().return_values(ReturnValue::AllOld).send().await;
        assert_eq!(made.unwrap().attributes(), None);
        let old = update().return_values(ReturnValue::AllOld).send().await;
        assert_eq!(old.unwrap().attributes().map(|old| old.len()), Some(1));

        let null = AttributeValue::Null(true);
        for refused in [
            update().return_values(ReturnValue::UpdatedNew),
            update()
                .return_consumed_capacity(aws_sdk_dynamodb::types::ReturnConsumedCapacity::Total),
            update()
                .update_expression("SET a = :a")
                .expression_attribute_values(":a", null),
            update().expression_attribute_values(":unused", s("")),
            update().expression_attribute_names("#unused", "a"),
            update().key("sort", s("s")),
            client.update_item().table_name("ledger").key("code", s("")),
        ] {
            let error = refused.send().await.unwrap_err().into_service_error();
            assert_eq!(
                error.meta().code(),
                Some("ValidationException"),
                "{error:?}"
            );
        }
    }
}
