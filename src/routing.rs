//! Destination country -> origination identity.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sns::types::{NumberCapability, RouteType};

use crate::clients::{Clients, Lazy};
use crate::config::{Origination, OriginationIdentity};
use crate::country::Country;
use crate::error::Fault;
use crate::probe::{Probe, Reading, answer, with_jitter};
use crate::retry::Deadline;

/// Numbers are bought and registered in days, not minutes.
const FRESH: Duration = Duration::from_secs(900);
/// While the account does not tell, what it told before.
const KEPT: Duration = Duration::from_secs(86_400);

/// From where to send to a country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// From this identity.
    From(OriginationIdentity),
    /// The account has none for the country: SNS chooses a shared one.
    ChosenBySns,
    /// SNS chooses, since the account's numbers could not be read.
    Unknown,
    /// From nowhere: carriers drop what has no registered number.
    Unreachable,
}

/// A number that the account may send from.
struct Number {
    country: Country,
    number: String,
}

/// The account's routes.
pub struct Routing {
    origination: Origination,
    sns: Lazy<aws_sdk_sns::Client>,
    discovered: Probe<Vec<Number>>,
}

impl Routing {
    /// Routes as configured, or as the account will tell.
    pub fn new(origination: Origination, clients: &Clients) -> Self {
        Self {
            origination,
            sns: clients.sns.clone(),
            discovered: Probe::new(KEPT),
        }
    }

    /// Whether the account is to be asked for its numbers.
    pub(crate) fn is_due(&self) -> bool {
        self.origination == Origination::Discovered && self.discovered.is_due()
    }

    /// Asks the account for its numbers, for the next message's sake.
    pub(crate) async fn probe(&self) {
        self.numbers().await;
    }

    /// From where to send to `country`; `None` is a number of no country.
    pub async fn to(&self, country: Option<Country>) -> Route {
        let identity = match &self.origination {
            Origination::Explicit {
                countries,
                elsewhere,
            } => {
                let own = countries
                    .iter()
                    .find(|(known, _)| Some(*known) == country)
                    .map(|(_, identity)| identity);
                own.or(elsewhere.as_ref())
                    .filter(|identity| country.is_none_or(|country| identity.is_taken_by(country)))
                    .cloned()
            }
            Origination::Discovered => match self.numbers().await {
                Some(numbers) => {
                    let of = |country: &str| {
                        let mut all = numbers.iter();
                        all.find(|number| number.country.as_str() == country)
                    };
                    let number = country.and_then(|country| {
                        let own = of(country.as_str());
                        own.or_else(|| of("US").filter(|_| country.is_us_territory()))
                    });
                    number.map(|number| OriginationIdentity::Number(number.number.clone()))
                }
                None => return Route::Unknown,
            },
        };
        match identity {
            Some(identity) => Route::From(identity),
            None if country.is_some_and(|country| country.as_str() == "US") => Route::Unreachable,
            None => Route::ChosenBySns,
        }
    }

    async fn numbers(&self) -> Option<Arc<Vec<Number>>> {
        let ask = |deadline| async move {
            Ok(Reading {
                value: self.fetch(deadline).await?,
                fresh_for: with_jitter(FRESH),
            })
        };
        self.discovered.get(ask).await
    }

    async fn fetch(&self, deadline: Deadline) -> Result<Vec<Number>, Fault> {
        const OPERATION: &str = "SNS ListOriginationNumbers";
        let mut numbers = Vec::new();
        let mut next = None;
        loop {
            // Page by page, since a second one within the second may be throttled.
            let page = answer(OPERATION, deadline, || async {
                let list = self.sns.list_origination_numbers().max_results(30);
                let page = list.set_next_token(next.clone()).send().await;
                page.map_err(|error| Fault::new(OPERATION, &error))
            })
            .await?;
            next = page.next_token;
            for number in page.phone_numbers.unwrap_or_default() {
                let usable = number.status() == Some("ACTIVE")
                    && number.route_type() == Some(&RouteType::Transactional)
                    && number
                        .number_capabilities()
                        .contains(&NumberCapability::Sms);
                let country = number
                    .iso2_country_code()
                    .and_then(|code| code.parse().ok());
                if let (true, Some(country), Some(number)) = (usable, country, number.phone_number)
                {
                    numbers.push(Number { country, number });
                }
            }
            if next.is_none() {
                break;
            }
        }
        // A short code carries the most; the account's order decides the rest.
        numbers.sort_by_key(|number| number.number.trim_start_matches('+').len() > 8);
        Ok(numbers)
    }
}
