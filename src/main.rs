//! The program: reads the command line and the environment, and does what was asked.

use std::{env, process::ExitCode};

use foundation::Foundation;

fn main() -> ExitCode {
    Foundation::builder().run(env::args_os(), env::vars_os())
}
