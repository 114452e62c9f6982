//! Ctrl-C and SIGTERM: the first finishes the batch, the second cancels the statement, the third leaves.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use crate::error::Exit;
use crate::execute::{Stopper, Urgency};
use crate::ui::Ui;

/// Waits for the first of them, for a command that has nothing to finish.
pub(super) async fn first() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

/// Listens until the process ends.
pub(super) fn listen(stopper: Stopper, ui: Arc<Ui>) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        let mut asked = 0;
        loop {
            tokio::select! {
                _ = interrupt.recv() => (),
                _ = terminate.recv() => (),
            }
            asked += 1;
            if asked > 2 {
                leave();
            }
            match stopper.ask() {
                Urgency::Finish => ui.warn("finishing the batch in flight; once more cancels it"),
                Urgency::Cancel | Urgency::None => ui.warn("cancelling; once more leaves at once"),
            }
        }
    });
    Ok(())
}

#[expect(clippy::exit, reason = "the operator insists; the server rolls back what is open")]
fn leave() -> ! {
    std::process::exit(Exit::Interrupted as i32)
}
