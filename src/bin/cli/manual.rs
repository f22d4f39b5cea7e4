//! `cognito-sender completions` and `cognito-sender man`: made from the command
//! line's own definition.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::{CommandLine, Failure};

/// Print a completion script for a shell
#[derive(Args)]
#[command(after_long_help = "Examples:

  cognito-sender completions bash > ~/.local/share/bash-completion/completions/cognito-sender
  cognito-sender completions zsh > ~/.zfunc/_cognito-sender
  cognito-sender completions fish > ~/.config/fish/completions/cognito-sender.fish")]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

/// Print the manual page, all subcommands included
#[derive(Args)]
#[command(after_long_help = "Examples:

  cognito-sender man | man -l -
  cognito-sender man > /usr/local/share/man/man1/cognito-sender.1")]
pub(crate) struct Manual {}

impl Completions {
    pub(crate) fn run(&self) -> ExitCode {
        let mut script = Vec::new();
        let name = "cognito-sender";
        clap_complete::generate(self.shell, &mut CommandLine::command(), name, &mut script);
        print(&script)
    }
}

impl Manual {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let mut command = CommandLine::command();
        command.build();
        let mut page = Vec::new();
        let man = Man::new(command.clone());
        man.render_title(&mut page)?;
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
        man.render_subcommands_section(&mut page)?;
        for subcommand in command.get_subcommands() {
            describe(subcommand, "", &mut page)?;
        }
        Ok(print(&page))
    }
}

/// A subcommand's own section, its subcommands' behind it.
fn describe(command: &Command, before: &str, page: &mut Vec<u8>) -> Result<(), Failure> {
    if command.get_name() == "help" {
        return Ok(());
    }
    let name = format!("{before}{}", command.get_name());
    let man = Man::new(command.clone());
    let mut own = Vec::new();
    man.render_description_section(&mut own)?;
    man.render_options_section(&mut own)?;
    if command.get_after_long_help().is_some() {
        man.render_extra_section(&mut own)?;
    }
    // In a page of all, its sections are subsections.
    writeln!(page, ".SH {}", name.to_uppercase())?;
    for line in String::from_utf8(own)?.lines() {
        match line.strip_prefix(".SH ") {
            Some("DESCRIPTION" | "EXTRA") => writeln!(page, ".PP")?,
            Some(heading) => writeln!(page, ".SS {heading}")?,
            None => writeln!(page, "{line}")?,
        }
    }
    for subcommand in command.get_subcommands() {
        describe(subcommand, &format!("{name} "), page)?;
    }
    Ok(())
}

fn print(text: &[u8]) -> ExitCode {
    // A reader that has gone (`| head`) is no error.
    let _ = std::io::stdout().write_all(text);
    ExitCode::SUCCESS
}
