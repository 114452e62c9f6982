//! The session beside the one that works: it holds the run's advisory lock, and it sees whom the worker waits for.

use std::time::Duration;

use crate::catalog::LockHolder;
use crate::error::{Code, Failure};
use crate::pg::{Parameter, Session, Type, get};
use crate::sql::bookkeeping;

/// How often the lock is asked for. A run that has just ended may seem to hold it: the server notices a moment later.
const ATTEMPTS: u32 = 10;
/// The rest between two attempts.
const REST: Duration = Duration::from_millis(200);

/// The lock's own session. The lock goes with the connection, so the run ends with it too.
pub struct Watch {
    session: Session,
}

impl Watch {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`Code::RunActive`] with the name of the session that has it.
    pub async fn lock(session: Session) -> Result<Watch, Failure> {
        for attempt in 1..=ATTEMPTS {
            let row = session.one(&bookkeeping::try_lock(), &[]).await?;
            if get::<bool>(&row, 0)? {
                return Ok(Watch { session });
            }
            if attempt < ATTEMPTS {
                tokio::time::sleep(REST).await;
            }
        }
        let holder = match session.rows(&bookkeeping::lock_holder()).await?.first() {
            Some(row) => {
                let (pid, application): (i32, String) = (get(row, 0)?, get(row, 1)?);
                let (address, since): (String, String) = (get(row, 2)?, get(row, 3)?);
                format!("pid {pid} ({application}) from {address}, connected since {since}")
            }
            None => "a session that has just ended".to_owned(),
        };
        Err(Failure::new(Code::RunActive, format!("another run of tenantctl works on this database: {holder}")).hint(
            "let it finish, or interrupt it and run `tenantctl migrate` again to go on; `tenantctl status` shows it",
        ))
    }

    /// Fails where the lock's connection is gone: somebody else may hold the lock by now.
    ///
    /// # Errors
    /// [`Code::ConnectionLost`].
    pub fn is_held(&self) -> Result<(), Failure> {
        match self.session.ending().now() {
            Some(failure) => Err(Failure::new(Code::ConnectionLost, format!("the run's lock is lost: {failure}"))
                .hint("run `tenantctl migrate` again; it goes on where it stopped")),
            None => Ok(()),
        }
    }

    /// The session, for questions between the steps.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Who holds what the backend waits for.
    ///
    /// # Errors
    /// The question failed.
    pub async fn holders(&self, pid: i32) -> Result<Vec<LockHolder>, Failure> {
        let parameters: [Parameter<'_>; 1] = [(&pid, Type::INT4)];
        let rows = self.session.ask(&bookkeeping::blockers(), &parameters).await;
        let rows = rows.map_err(|refusal| refusal.failure("asking who holds the lock"))?;
        rows.iter()
            .map(|row| {
                let open_for: f64 = get(row, 3)?;
                Ok(LockHolder {
                    pid: get(row, 0)?,
                    application: get(row, 1)?,
                    state: get(row, 2)?,
                    open_for: Duration::from_secs_f64(open_for.max(0.0)),
                })
            })
            .collect()
    }
}
