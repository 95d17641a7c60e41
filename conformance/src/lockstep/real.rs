//! The real core with what surrounds it, as one thing that takes the model's actions.

use super::abstraction::{Place, View};
use super::effects;
use super::handovers;
use super::mapping;
use super::names::{self, Names};
use super::outside::{Creation, Fed, Outside, Stimulus, Tally, ensure};
use std::collections::VecDeque;
use std::rc::Rc;
use webrtc_server::lifecycle::server::{Server, ServerInput, ServerPhase};
use webrtc_server::lifecycle::{Input, Mutant, Step, Verdict, Worker, WriteState};
use webrtc_server_model::{
    Action, CONNECTIONS_MAX, Config, ConnectionId, Effect, Room, State, TransportId, Tuple,
    WorkerId,
};

/// Inputs that one event may lead to before the core must have come to rest.
const ANSWERS_MAX: usize = 200;

/// One real server in memory.
#[derive(Clone, Debug)]
pub(super) struct Real {
    /// The core, one for each worker.
    pub(super) workers: Vec<Worker>,
    /// The barrier, which waits for all of them.
    pub(super) server: Server,
    /// Everything else.
    pub(super) outside: Outside,
    /// The tuple that each farewell went to, which a confirmed one has forgotten.
    pub(super) farewell_paths: Vec<Option<Tuple>>,
}

impl Real {
    /// A server with the first transports of a configuration, each of them told who its peer is.
    pub(super) fn new(config: &Rc<Config>, mutant: Option<Mutant>) -> Result<Self, String> {
        let outside = Outside::new(config);
        let worker = |w| {
            let sockets = config.sockets_of(w).map(names::socket);
            let listeners = config.listeners_of(w).map(names::listener);
            Worker::new((*outside.limits).clone(), sockets, listeners).with_mutant(mutant)
        };
        let mut real = Real {
            workers: config.worker_ids().map(worker).collect(),
            server: Server::new(config.workers).with_mutant(mutant),
            outside,
            farewell_paths: vec![None; config.transports.len()],
        };
        let mut effects = Vec::new();
        for t in config.transport_ids() {
            let inputs = match config.transport(t).aspects.created_later {
                true => Vec::new(),
                false => mapping::create(&real, t),
            };
            for input in inputs {
                real.settle(input, &mut effects)?;
            }
        }
        ensure(effects.is_empty(), "an effect before anything happened")?;
        Ok(real)
    }

    /// The bounds.
    pub(super) fn config(&self) -> &Config {
        &self.outside.config
    }

    /// What can be said of it in the model's words.
    pub(super) fn view<'a>(&'a self, names: &'a dyn Names) -> View<'a> {
        View {
            config: &self.outside.config,
            workers: self.workers.iter().collect(),
            server: &self.server,
            close: &self.outside.close,
            grant: &self.outside.grant,
            creation: &self.outside.creation,
            reports: &self.outside.reports,
            streams: &self.outside.world.streams,
            farewell_paths: &self.farewell_paths,
            places: &self.outside.places,
            names,
        }
    }

    /// Lets an action happen, and everything that follows from it until the core waits for the world again.
    pub(super) fn take(&mut self, before: &State, action: Action) -> Result<Vec<Effect>, String> {
        self.outside.tally = Tally::default();
        let waiting = self.kept_bytes(action);
        let mut effects = Vec::new();
        for input in mapping::begin(self, before, action)? {
            self.settle(input, &mut effects)?;
        }
        if let Action::WorkerTakesOver { c } = action {
            handovers::take_over(self, c, &mut effects)?;
        }
        if let Action::WorkerHearsProof { c } = action {
            handovers::hear_proof(self, c, &mut effects)?;
        }
        self.was_replied(before, action, waiting)?;
        self.is_at_rest()?;
        Ok(effects)
    }

    /// *Feed one input, perform all outputs in order, feed the answers in the order in which they arose*.
    pub(super) fn settle(
        &mut self,
        first: Stimulus,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let mut answers = VecDeque::from([first]);
        for _ in 0..ANSWERS_MAX {
            let Some(Stimulus { fed, news }) = answers.pop_front() else { return Ok(()) };
            effects.extend(news);
            match fed {
                Fed::Worker(w, input) => self.feed_worker(w, input, &mut answers, effects)?,
                Fed::TooLate(w, input) => self.come_too_late(w, input)?,
                Fed::Server(input) => self.feed_server(input, effects)?,
            }
        }
        Err("the core never comes to rest".to_owned())
    }

    fn feed_worker(
        &mut self,
        w: WorkerId,
        input: Input,
        answers: &mut VecDeque<Stimulus>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let worker = &mut self.workers[w.index()];
        let (mapped, owners) = (mapped(worker)?, owners(worker)?);
        let step = worker.handle(input.clone());
        let possible = step.verdict != Verdict::Impossible;
        ensure(possible, format_args!("{input:?} is called impossible"))?;
        let kept = self::mapped(worker)?;
        let left = self.outside.config.transport_ids();
        let left: Vec<_> = left.filter(|t| mapped.contains(*t) && !kept.contains(*t)).collect();
        let owner = |c: ConnectionId| owners[c.index()];
        let names = self.outside.names();
        effects.extend(effects::of_step(w, &step.outputs, &left, &owner, &names)?);
        self.was_created(&input, &step)?;
        let given = matches!(input, Input::ConnectionHandedOver { .. });
        let kept = given && step.verdict != Verdict::Applied;
        ensure(!kept, format_args!("{input:?} is refused"))?;
        for output in &step.outputs {
            answers.extend(self.outside.perform(w, output, &self.workers[w.index()])?);
        }
        self.remember_paths(w)?;
        let agreement = self.workers[w.index()].agreement();
        agreement.map_err(|what| format!("after {input:?}: {what}"))
    }

    fn come_too_late(&mut self, w: WorkerId, input: Input) -> Result<(), String> {
        let worker = &mut self.workers[w.index()];
        let before = worker.clone();
        changes_nothing(worker, &before, input)
    }

    fn was_created(&mut self, input: &Input, step: &Step) -> Result<(), String> {
        let Input::TransportCreated { transport, .. } = input else { return Ok(()) };
        let t = names::model_transport(*transport)?;
        self.outside.creation[t.index()] = match step.verdict {
            Verdict::Applied => Creation::Created,
            Verdict::Late => Creation::Refused,
            Verdict::Repeated | Verdict::Impossible => return Err("created twice".to_owned()),
        };
        Ok(())
    }

    fn feed_server(&mut self, input: ServerInput, effects: &mut Vec<Effect>) -> Result<(), String> {
        // Who asks a closed server is answered at once: the answer lies ready.
        let late =
            input == ServerInput::CloseRequested && self.server.phase() == ServerPhase::Closed;
        let step = self.server.handle(input);
        let possible = step.verdict != Verdict::Impossible;
        ensure(possible, format_args!("the barrier calls {input:?} impossible"))?;
        for output in step.outputs {
            effects.extend(effects::of_server(output));
            self.outside.perform_server(output)?;
        }
        if late {
            effects.push(Effect::CallersComplete);
            self.outside.release_callers();
        }
        Ok(())
    }

    /// Nothing is asked of the shell that it has not answered.
    fn is_at_rest(&self) -> Result<(), String> {
        for (id, connection) in self.workers.iter().flat_map(Worker::connections) {
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

    /// What waits on the connection that a check comes by, and will wait after it: of another transport's frames only
    /// the rest of one that is begun.
    fn kept_bytes(&self, action: Action) -> usize {
        let Action::PeerChecks { t, from: Tuple::Tcp(c), .. } = action else { return 0 };
        let Some(connection) = self.connection(c) else { return 0 };
        let queue = &connection.queue;
        match connection.owner() {
            Some(owner) if owner == names::transport(t) => queue.len(),
            Some(_) | None if queue.is_begun() => queue.unwritten().len(),
            Some(_) | None => 0,
        }
    }

    fn connection(&self, c: ConnectionId) -> Option<&webrtc_server::lifecycle::Connection> {
        let Place::With(w) = self.outside.places[c.index()] else { return None };
        self.workers[w.index()].connections().get(&self.outside.names().connection(c)?)
    }

    /// A check that counts is answered once, on the path by which it came, if only by a frame that waits.
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is answered")]
    fn was_replied(&self, before: &State, action: Action, kept: usize) -> Result<(), String> {
        let Tally { replies, written, .. } = self.outside.tally;
        let from = match action {
            Action::PeerChecks { t, from: Tuple::Tcp(c), .. }
                if before.core.is_misplaced(self.config(), t, c) =>
            {
                return ensure(
                    replies == 0 && written == 0,
                    "a check of another worker is answered",
                );
            }
            Action::PeerChecks { from, .. } => from,
            Action::WorkerTakesOver { c } => match self.connection(c) {
                Some(connection) if connection.owner().is_some() => Tuple::Tcp(c),
                Some(_) | None => return ensure(written == 0, "nobody's check is answered"),
            },
            _ => return Ok(()),
        };
        let replied = match from {
            Tuple::Udp(_) => replies == 1 && written == 0,
            Tuple::Tcp(c) if before.world.stream(c).room == Room::Broken => replies == 0,
            Tuple::Tcp(c) => {
                let waiting = self.connection(c).map_or(0, |connection| connection.queue.len());
                replies == 0 && written + waiting == kept + 2 + names::REPLY.len()
            }
        };
        ensure(replied, "the check is not answered once, where it came from")
    }

    fn remember_paths(&mut self, w: WorkerId) -> Result<(), String> {
        for (id, transport) in self.workers[w.index()].transports() {
            if let Some(path) = transport.farewell.path() {
                let t = names::model_transport(*id)?;
                self.farewell_paths[t.index()] = Some(self.outside.names().model_tuple(path)?);
            }
        }
        Ok(())
    }
}

/// A worker stays as it is, and says nothing.
pub(super) fn changes_nothing(
    worker: &mut Worker,
    before: &Worker,
    input: Input,
) -> Result<(), String> {
    let step = worker.handle(input.clone());
    ensure(step.verdict != Verdict::Applied, format_args!("{input:?} is applied"))?;
    ensure(step.outputs.is_empty(), format_args!("{input:?} leads to {:?}", step.outputs))?;
    ensure(worker == before, format_args!("{input:?} changes the state"))
}

/// A set of transports.
#[derive(Clone, Copy, Default)]
struct Transports(u8);

impl Transports {
    fn contains(self, t: TransportId) -> bool {
        self.0 & (1 << t.0) != 0
    }
}

/// The transports that a routing table knows.
fn mapped(worker: &Worker) -> Result<Transports, String> {
    let routes = worker.routes();
    let by_ufrag = routes.ufrags().map(|(_, transport)| transport);
    let by_tuple = routes.tuples().map(|(_, transport)| transport);
    by_ufrag.chain(by_tuple).try_fold(Transports::default(), |known, transport| {
        Ok(Transports(known.0 | 1 << names::model_transport(transport)?.0))
    })
}

/// Whose each connection is.
fn owners(worker: &Worker) -> Result<[Option<TransportId>; CONNECTIONS_MAX], String> {
    let mut owners = [None; CONNECTIONS_MAX];
    for (id, connection) in worker.connections() {
        let c = names::model_connection(*id)?;
        owners[c.index()] = connection.owner().map(names::model_transport).transpose()?;
    }
    Ok(owners)
}
