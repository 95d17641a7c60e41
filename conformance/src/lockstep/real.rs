//! The real core with what surrounds it, as one thing that takes the model's actions.

use super::abstraction::View;
use super::effects;
use super::mapping;
use super::names::{self, MadeUp};
use super::outside::{Answer, Fed, Outside, Tally, ensure};
use std::collections::{BTreeSet, VecDeque};
use webrtc_server::lifecycle::server::{Server, ServerInput, ServerPhase};
use webrtc_server::lifecycle::{
    DtlsRole, Input, Limits, Mutant, Tuple, Verdict, Worker, WriteState,
};
use webrtc_server_model::{Action, Config, Effect, State, TransportId, Via};

/// Inputs that one event may lead to before the core must have come to rest.
const ANSWERS_MAX: usize = 200;

/// One real server in memory.
#[derive(Clone, Debug)]
pub(super) struct Real {
    /// The core.
    pub(super) worker: Worker,
    /// The barrier, which waits for this one worker.
    pub(super) server: Server,
    /// Everything else.
    pub(super) outside: Outside,
    /// The tuple that each farewell went to, which a confirmed one has forgotten.
    pub(super) farewell_paths: Vec<Option<Tuple>>,
}

impl Real {
    /// A server with all transports of a configuration, each of them told who its peer is.
    pub(super) fn new(config: &Config, mutant: Option<Mutant>) -> Result<Self, String> {
        let worker = Worker::new(Limits::default(), [names::SOCKET], [names::LISTENER]);
        let mut real = Real {
            worker: worker.with_mutant(mutant),
            server: Server::new(1),
            outside: Outside::new(config),
            farewell_paths: vec![None; config.transports()],
        };
        let mut effects = Vec::new();
        for t in (0..config.transports()).map(|index| TransportId(index as u8)) {
            let transport = names::transport(t);
            let credentials = names::credentials(t);
            let consent = Some(names::CONSENT);
            let created = Input::TransportCreated { transport, credentials, consent };
            let remote_role = DtlsRole::Client;
            let connected =
                Input::ConnectRequested { transport, remote_role, fingerprints: Vec::new() };
            real.settle(Answer::worker(created), &mut effects)?;
            real.settle(Answer::worker(connected), &mut effects)?;
        }
        ensure(effects.is_empty(), "an effect before anything happened")?;
        Ok(real)
    }

    /// What can be said of it in the model's words.
    pub(super) fn view(&self) -> View<'_> {
        View {
            worker: &self.worker,
            server: &self.server,
            grant: self.outside.grant,
            reports: &self.outside.reports,
            streams: self.outside.world.peers.iter().map(|peer| peer.stream).collect(),
            farewell_paths: &self.farewell_paths,
            names: &MadeUp,
        }
    }

    /// Lets an action happen, and everything that follows from it until the core waits for the world again.
    pub(super) fn take(&mut self, before: &State, action: Action) -> Result<Vec<Effect>, String> {
        self.outside.tally = Tally::default();
        let waiting = self.waiting_bytes(action);
        let mut effects = Vec::new();
        for input in mapping::begin(before, action, &mut self.outside)? {
            self.settle(input, &mut effects)?;
        }
        self.was_replied(action, waiting)?;
        self.is_at_rest()?;
        Ok(effects)
    }

    /// *Feed one input, perform all outputs in order, feed the answers in the order in which they arose*.
    pub(super) fn settle(
        &mut self,
        first: Answer,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let mut answers = VecDeque::from([first]);
        for _ in 0..ANSWERS_MAX {
            let Some(Answer { fed, news }) = answers.pop_front() else { return Ok(()) };
            effects.extend(news);
            match fed {
                Fed::Worker(input) => self.feed_worker(input, &mut answers, effects)?,
                Fed::Server(input) => self.feed_server(input, &mut answers, effects)?,
            }
        }
        Err("the core never comes to rest".to_owned())
    }

    fn feed_worker(
        &mut self,
        input: Input,
        answers: &mut VecDeque<Answer>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let mapped = self.mapped()?;
        let step = self.worker.handle(input.clone());
        ensure(
            step.verdict != Verdict::Impossible,
            format_args!("{input:?} is called impossible"),
        )?;
        let left: Vec<_> = mapped.difference(&self.mapped()?).copied().collect();
        effects.extend(effects::of_step(&step.outputs, &left, &MadeUp)?);
        for output in &step.outputs {
            answers.extend(self.outside.perform(output, &self.worker)?);
        }
        self.remember_paths()?;
        self.worker.agreement().map_err(|what| format!("after {input:?}: {what}"))
    }

    fn feed_server(
        &mut self,
        input: ServerInput,
        answers: &mut VecDeque<Answer>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        // Who asks a closed server is answered at once: the answer lies ready.
        let late =
            input == ServerInput::CloseRequested && self.server.phase() == ServerPhase::Closed;
        let step = self.server.handle(input);
        let possible = step.verdict != Verdict::Impossible;
        ensure(possible, format_args!("the barrier calls {input:?} impossible"))?;
        for output in step.outputs {
            effects.extend(effects::of_server(output));
            answers.extend(self.outside.perform_server(output)?);
        }
        if late {
            effects.push(Effect::CallersComplete);
            self.outside.release_callers();
        }
        Ok(())
    }

    /// The transports that a routing table knows.
    fn mapped(&self) -> Result<BTreeSet<TransportId>, String> {
        let routes = self.worker.routes();
        let by_ufrag = routes.ufrags().map(|(_, transport)| transport);
        let by_tuple = routes.tuples().map(|(_, transport)| transport);
        by_ufrag.chain(by_tuple).map(names::model_transport).collect()
    }

    /// Nothing is asked of the shell that it has not answered.
    fn is_at_rest(&self) -> Result<(), String> {
        for (id, connection) in self.worker.connections() {
            let queue = &connection.queue;
            let fits = match connection.write {
                WriteState::Idle => queue.is_empty(),
                WriteState::Writing => false,
                WriteState::Blocked => !queue.is_empty(),
            };
            ensure(fits, format_args!("{id:?} is {:?} at rest", connection.write))?;
        }
        Ok(())
    }

    /// What waits on the connection that a check came by.
    fn waiting_bytes(&self, action: Action) -> usize {
        let Action::PeerChecks { t, via: Via::Tcp, .. } = action else { return 0 };
        self.worker.connections().get(&names::connection(t)).map_or(0, |c| c.queue.len())
    }

    /// A check that counts is answered once, on the path by which it came, if only by a frame that waits.
    fn was_replied(&self, action: Action, waiting: usize) -> Result<(), String> {
        let Action::PeerChecks { via, .. } = action else { return Ok(()) };
        let Tally { replies, written } = self.outside.tally;
        let replied = match via {
            Via::Udp => replies == 1 && written == 0,
            Via::Tcp => {
                let frame = 2 + names::REPLY.len();
                replies == 0 && written + self.waiting_bytes(action) == waiting + frame
            }
        };
        ensure(replied, "the check is not answered once, where it came from")
    }

    fn remember_paths(&mut self) -> Result<(), String> {
        for (id, transport) in self.worker.transports() {
            if let Some(path) = transport.farewell.path() {
                let t = names::model_transport(*id)?;
                self.farewell_paths[t.index()] = Some(path);
            }
        }
        Ok(())
    }
}
