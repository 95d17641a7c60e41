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
    let leads_on = |phase: usize| sight.ways.keys().any(|(from, _)| *from == phase);
    let is_met = |phase: usize| {
        sight.initial.contains(&phase) || sight.ways.keys().any(|(_, to)| *to == phase)
    };
    for phase in (0..machine.phases.len()).filter(|phase| is_met(*phase) && !leads_on(*phase)) {
        diagram += &format!("    {} --> [*]\n", name(phase));
    }
    diagram + "```\n"
}

/// One line for each kind of input, with what those of the kind have in common.
fn label(causes: &BTreeSet<usize>, order: &[usize], inputs: &[Input]) -> Vec<String> {
    let mut kinds: Vec<Input> = Vec::new();
    for input in order.iter().filter(|input| causes.contains(input)).map(|input| &inputs[*input]) {
        match kinds.iter_mut().find(|known| known.kind == input.kind) {
            Some(known) => known.details.retain(|detail| input.details.contains(detail)),
            None => kinds.push(input.clone()),
        }
    }
    let words = |Input { kind, details }: Input| {
        let details: String = details.iter().map(|detail| format!(" {detail}")).collect();
        kind + &details
    };
    kinds.into_iter().map(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_a_kind_share_a_line_with_what_they_have_in_common() {
        let input = |kind: &str, details: &[&'static str]| Input {
            kind: kind.to_owned(),
            details: details.to_vec(),
        };
        let inputs = [
            input("PeerChecks", &["over UDP", "nominating"]),
            input("PeerChecks", &["over TCP", "nominating"]),
            input("PeerResets", &[]),
            input("PeerSendsFin", &[]),
        ];
        let causes = BTreeSet::from([0, 1, 3]);
        let told = label(&causes, &[3, 0, 1, 2], &inputs);
        assert_eq!(told, ["PeerSendsFin", "PeerChecks nominating"]);
    }
}
