//! The phases of a machine as a diagram: which inputs lead from one to another.

use std::collections::BTreeSet;

use crate::phase_matrix::{Input, Machine, Sight};

/// A Mermaid diagram of every way that was seen. Inputs that leave the phase as it is are not in it.
pub(crate) fn diagram(
    machine: &Machine,
    sight: &Sight,
    order: &[usize],
    inputs: &[Input],
) -> String {
    let mut diagram = "```mermaid\nstateDiagram-v2\n".to_owned();
    let name = |phase: usize| machine.phases[phase];
    for phase in &sight.initial {
        diagram += &format!("    [*] --> {}\n", name(*phase));
    }
    for ((from, to), causes) in &sight.ways {
        let label = label(causes, order, inputs).join("<br/>");
        diagram += &format!("    {} --> {} : {label}\n", name(*from), name(*to));
    }
    for phase in &sight.last {
        diagram += &format!("    {} --> [*]\n", name(*phase));
    }
    diagram + "```\n"
}

/// What the name of an input begins with says who acts; of the others it is the clock.
const ACTORS: [&str; 4] = ["Peer", "Kernel", "Owner", "Worker"];
/// How many inputs a line of a label holds.
const INPUTS_PER_LINE: usize = 3;

/// The kinds of inputs, each actor's on lines of their own; of a kind, what its inputs have in common.
fn label(causes: &BTreeSet<usize>, order: &[usize], inputs: &[Input]) -> Vec<String> {
    let mut kinds: Vec<Input> = Vec::new();
    for input in order.iter().filter(|input| causes.contains(input)).map(|input| &inputs[*input]) {
        match kinds.iter_mut().find(|known| known.kind == input.kind) {
            Some(known) => known.details.retain(|detail| input.details.contains(detail)),
            None => kinds.push(input.clone()),
        }
    }
    let is_of_one_actor = |one: &Input, other: &Input| {
        ACTORS.iter().all(|actor| one.kind.starts_with(actor) == other.kind.starts_with(actor))
    };
    let actors = kinds.chunk_by(is_of_one_actor);
    let lines = actors.flat_map(|of_actor| of_actor.chunks(INPUTS_PER_LINE));
    lines.map(|line| line.iter().map(words).collect::<Vec<_>>().join(", ")).collect()
}

fn words(Input { kind, details }: &Input) -> String {
    let details: String = details.iter().map(|detail| format!(" {detail}")).collect();
    format!("{kind}{details}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_a_kind_are_one_with_what_they_have_in_common() {
        let input = |kind: &str, details: &[&'static str]| Input {
            kind: kind.to_owned(),
            details: details.to_vec(),
        };
        let inputs = [
            input("PeerChecks", &["over UDP", "nominating"]),
            input("PeerChecks", &["over TCP", "nominating"]),
            input("PeerResets", &[]),
            input("PeerSendsFin", &[]),
            input("ConsentExpires", &[]),
        ];
        let causes = BTreeSet::from([0, 1, 3, 4]);
        let told = label(&causes, &[3, 0, 1, 2, 4], &inputs);
        assert_eq!(told, ["PeerSendsFin, PeerChecks nominating", "ConsentExpires"]);
    }
}
