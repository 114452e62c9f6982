//! Another program that is run and watched: how long it took, and how much memory.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::rivals::Span;

/// How often its memory is looked at. The kernel keeps the peak, so only that of the last moments can be missed. (What it
/// tells after the end, as `ru_maxrss`, is no less than our own memory was when the program was started.)
const LOOK: Duration = Duration::from_millis(10);

/// What a program needed.
#[derive(Debug, Clone, Copy)]
pub struct Ran {
    /// From its start to its end.
    pub span: Span,
    /// The most memory that it held, in bytes, where the system tells.
    pub peak_memory: Option<u64>,
}

/// Runs a program to its end.
///
/// # Errors
/// It cannot be started, or fails; with what it said last.
pub async fn run(command: &mut Command) -> anyhow::Result<Ran> {
    let errors = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors.try_clone()?);
    let began = Instant::now();
    let mut child = Killed(command.spawn().with_context(|| format!("starting {command:?}"))?);
    let mut peak_memory = None;
    let status = loop {
        peak_memory = memory_of(child.0.id()).or(peak_memory);
        if let Some(status) = child.0.try_wait()? {
            break status;
        }
        tokio::time::sleep(LOOK).await;
    };
    let ended = Instant::now();
    if !status.success() {
        bail!("{status}: {}", last_line(errors)?);
    }
    Ok(Ran { span: Span { began, ended }, peak_memory })
}

/// A program that does not outlive our interest in it.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It has ended, or is to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The most memory that a process has held so far, in bytes.
fn memory_of(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

fn last_line(mut file: std::fs::File) -> anyhow::Result<String> {
    use std::io::{Read, Seek};
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text.lines().last().unwrap_or_default().to_owned())
}
