//! What `pause`, `resume` and `tune` share: the wish is written, and the run's answer awaited.

use std::time::{Duration, Instant};

use super::{Context, print};
use crate::error::{Exit, Failure};
use crate::execute::control::{self, Wish};
use crate::execute::pulse::{Sign, State};
use crate::execute::status;
use crate::pg::settings::Environment;
use crate::pg::{Access, Session};
use crate::report::Shape;
use crate::report::steering::{self, Steered};

/// How long the answer is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Writes a wish, and tells what becomes of it.
pub(super) async fn steer(wish: Wish, shape: Shape, context: &Context) -> anyhow::Result<Exit> {
    let settings = context.place()?.with_application_name("tenantctl control");
    let session = Session::open(&settings, Access::Write).await?;
    let before = control::steerable(&session).await?;
    let who = Environment::from_process().user.unwrap_or_else(|| "somebody".to_owned());
    let revision = control::wish(&session, &who, wish).await?;
    let active = status::active(&session).await?;
    let answer = if active.is_some() { answer(&session, before.run, revision, wish).await? } else { None };
    let steered = Steered {
        run: before.run,
        wish,
        paused_before: before.control.paused,
        control: control::current(&session).await?,
        active,
        answer,
    };
    print("what became of it", |out| steering::write(&steered, shape, out))?;
    Ok(Exit::Done)
}

/// The first sign of the run that knows the wish; of a pause, the one that nothing is in flight, if it comes in time.
async fn answer(session: &Session, run: i64, revision: i64, wish: Wish) -> Result<Option<Sign>, Failure> {
    let started = Instant::now();
    loop {
        let sign = Sign::read(session, run).await?.filter(|sign| sign.revision >= revision);
        let pauses = sign.as_ref().is_some_and(|sign| sign.state == State::Pausing);
        if (sign.is_some() && !(wish == Wish::Pause && pauses)) || started.elapsed() >= PATIENCE {
            return Ok(sign);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
