//! One connection that carries several requests at once, shared by several workers.

use std::{fmt, future::Future, sync::Arc};

use tokio::sync::Mutex;

use super::outcome::Fault;

/// Holds a connection. The first worker that finds it empty connects; the others wait for that.
#[derive(Debug)]
pub(super) struct Place<C>(Mutex<State<C>>);

#[derive(Debug)]
struct State<C> {
    /// The number of connections that were opened here.
    generation: u64,
    connection: Option<C>,
}

/// A worker's handle of a shared connection.
pub(super) struct Handle<C> {
    place: Arc<Place<C>>,
    held: Option<(u64, C)>,
    connects: u64,
}

impl<C> fmt::Debug for Handle<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("connects", &self.connects).finish_non_exhaustive()
    }
}

impl<C: Clone> Handle<C> {
    /// The handles of the workers that share one connection.
    pub(super) fn several(count: usize) -> impl Iterator<Item = Self> {
        let place = Arc::new(Place(Mutex::new(State { generation: 0, connection: None })));
        (0..count).map(move |_| Self { place: Arc::clone(&place), held: None, connects: 0 })
    }

    /// Acquires the connection; opens it with `connect` if there is none.
    pub(super) async fn ready<F>(&mut self, connect: impl FnOnce() -> F) -> Result<(), Fault>
    where
        F: Future<Output = Result<C, Fault>> + Send,
    {
        if self.held.is_some() {
            return Ok(());
        }
        let mut state = self.place.0.lock().await;
        let connection = match &state.connection {
            Some(connection) => connection.clone(),
            None => {
                let connection = connect().await?;
                state.generation += 1;
                state.connection = Some(connection.clone());
                self.connects += 1;
                connection
            }
        };
        self.held = Some((state.generation, connection));
        Ok(())
    }

    /// The connection, after [`Self::ready`].
    pub(super) const fn connection(&mut self) -> Result<&mut C, Fault> {
        match &mut self.held {
            Some((_, connection)) => Ok(connection),
            None => Err(Fault::ConnectionLost),
        }
    }

    /// Discards a broken connection. Other workers may have replaced it already.
    pub(super) async fn discard(&mut self) {
        let Some((generation, _)) = self.held.take() else { return };
        let mut state = self.place.0.lock().await;
        if state.generation == generation {
            state.connection = None;
        }
    }

    pub(super) const fn take_connects(&mut self) -> u64 {
        std::mem::replace(&mut self.connects, 0)
    }
}
