//! The deployed function that a command is about.

use aws_config::SdkConfig;
use aws_sdk_lambda::types::FunctionConfiguration;
use clap::Args;
use cognito_sender::config::{Config, InvalidConfig, environment};

use crate::Failure;
use crate::aws::{Aws, refusal};

/// By which name it is found.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Which {
    /// The function, by its name or ARN.
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// The function that a stack of the template brought.
    #[arg(long, value_name = "NAME", conflicts_with = "function")]
    stack: Option<String>,
    #[command(flatten)]
    aws: Aws,
}

/// A function, its settings, and whose credentials look at it.
pub(crate) struct Deployment {
    /// Credentials and Region of whoever looks.
    pub(crate) sdk: SdkConfig,
    /// As Lambda has it; `None`: the settings are those of the present
    /// environment.
    pub(crate) function: Option<FunctionConfiguration>,
    /// The CloudFormation stack that brought it, if one did.
    pub(crate) stack: Option<String>,
    /// What the function reads from its environment.
    pub(crate) config: Result<Config, InvalidConfig>,
}

/// The tag by which CloudFormation marks what a stack brought.
const STACK_TAG: &str = "aws:cloudformation:stack-name";

impl Which {
    /// Whose credentials look at it, and where.
    pub(crate) fn aws(&self) -> &Aws {
        &self.aws
    }

    /// Whether a function is named, or the environment is one's.
    pub(crate) fn names_one(&self) -> bool {
        self.function.is_some() || self.stack.is_some() || environment("KMS_KEY_ARN").is_some()
    }

    /// As it was given, for the next command.
    pub(crate) fn flags(&self) -> String {
        let function = self
            .function
            .iter()
            .map(|name| format!(" --function {name}"));
        let stack = self.stack.iter().map(|name| format!(" --stack {name}"));
        function.chain(stack).collect::<String>() + &self.aws.flags()
    }

    /// Finds it.
    ///
    /// # Errors
    /// No name and no settings in the environment; no such function; or a
    /// caller that may not look, with the IAM action it lacks.
    pub(crate) async fn find(&self) -> Result<Deployment, Failure> {
        let sdk = self.aws.config().await?;
        let lambda = aws_sdk_lambda::Client::new(&sdk);
        let name = match (&self.function, &self.stack) {
            (Some(name), _) => name.clone(),
            (None, Some(stack)) => function_of(&lambda, stack).await?,
            (None, None) if environment("KMS_KEY_ARN").is_some() => {
                return Ok(Deployment {
                    config: Config::read(|variable| match variable {
                        "AWS_REGION" => sdk.region().map(ToString::to_string),
                        _ => environment(variable),
                    }),
                    function: None,
                    stack: None,
                    sdk,
                });
            }
            (None, None) => {
                return Err("which function? Give --function NAME or --stack NAME".into());
            }
        };
        let answer = lambda.get_function().function_name(&name).send().await;
        let answer = answer.map_err(|error| {
            format!(
                "function {name} cannot be read (lambda:GetFunction): {}",
                refusal(&error)
            )
        })?;
        let stack = answer.tags().and_then(|tags| tags.get(STACK_TAG)).cloned();
        let function = answer
            .configuration
            .ok_or_else(|| format!("Lambda told nothing of function {name}"))?;
        Ok(Deployment {
            config: settings(&function),
            function: Some(function),
            stack: self.stack.clone().or(stack),
            sdk,
        })
    }
}

impl Deployment {
    /// What the function reads from its environment.
    ///
    /// # Errors
    /// Settings with which it does not start.
    pub(crate) fn config(&self) -> Result<&Config, Failure> {
        let wrong = |invalid| format!("the function's settings: {invalid}").into();
        self.config.as_ref().map_err(wrong)
    }
}

/// What the function reads at its start. Its folder of own texts is named, and
/// is not here.
fn settings(function: &FunctionConfiguration) -> Result<Config, InvalidConfig> {
    const FOLDER: &str = "MESSAGES_DIR";
    let variables = function
        .environment()
        .and_then(|environment| environment.variables());
    let value = |variable: &str| variables?.get(variable).cloned();
    let arn = function.function_arn().unwrap_or_default();
    let mut config = Config::read(|variable| match variable {
        "AWS_REGION" => arn.split(':').nth(3).map(str::to_owned),
        FOLDER => None,
        // Those are the function's own, in Lambda.
        _ if variable.starts_with("AWS_") => None,
        _ => value(variable),
    })?;
    config.texts.folder = value(FOLDER).filter(|folder| !folder.trim().is_empty());
    Ok(config)
}

/// The function of a stack: of those whose names begin with the stack's, as
/// CloudFormation names them, the one that is marked with it.
async fn function_of(lambda: &aws_sdk_lambda::Client, stack: &str) -> Result<String, Failure> {
    let mut pages = lambda.list_functions().into_paginator().items().send();
    while let Some(function) = pages.next().await {
        let function = function.map_err(|error| {
            let told = refusal(&error);
            format!("functions cannot be listed (lambda:ListFunctions): {told}; give --function")
        })?;
        let Some(name) = function.function_name() else {
            continue;
        };
        if !name.starts_with(stack) || function.handler() != Some("bootstrap") {
            continue;
        }
        let answer = lambda.get_function().function_name(name).send().await;
        let answer = answer.map_err(|error| {
            format!(
                "function {name} cannot be read (lambda:GetFunction): {}",
                refusal(&error)
            )
        })?;
        if answer.tags().and_then(|tags| tags.get(STACK_TAG)) == Some(&stack.to_owned()) {
            return Ok(name.to_owned());
        }
    }
    Err(format!("stack {stack} brought no such function here; give --function NAME").into())
}
