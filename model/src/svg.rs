//! The sequence diagram that stateright's Explorer shows beside a state.

use std::fmt::Write as _;

use crate::config::Config;
use crate::trace::{TraceStep, lifelines};
use crate::words::{Lifeline, Message};

/// Between two lifelines, in pixels; a text is about as long.
const COLUMN: usize = 260;
/// Between two arrows.
const ROW: usize = 26;
const MARGIN: usize = 60;

/// A lifeline for each party, an arrow for each message, in order.
pub(crate) fn sequence(steps: &[TraceStep], config: &Config) -> String {
    let messages: Vec<_> = steps.iter().map(|step| step.messages(config)).collect();
    let lifelines = lifelines(config, &messages);
    let height = MARGIN + ROW * (messages.iter().map(Vec::len).sum::<usize>() + 1);
    let width = 2 * MARGIN + COLUMN * lifelines.len();
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' \
         font-family='sans-serif' font-size='11' stroke-width='1'>"
    );
    for (index, lifeline) in lifelines.iter().enumerate() {
        let x = MARGIN + COLUMN * index;
        add(&mut svg, format_args!("<text x='{x}' y='16' text-anchor='middle'>{lifeline}</text>"));
        add(
            &mut svg,
            format_args!("<line x1='{x}' y1='24' x2='{x}' y2='{height}' stroke='#bbb'/>"),
        );
    }
    let places = messages.iter().flat_map(|of_step| of_step.iter().enumerate());
    for (row, (place, message)) in places.enumerate() {
        let colour = if place == 0 { "#c30" } else { "#036" };
        draw(&mut svg, &lifelines, message, colour, MARGIN + ROW * row);
    }
    svg + "</svg>"
}

/// An arrow with its text above; what somebody does alone is a dot.
fn draw(svg: &mut String, lifelines: &[Lifeline], message: &Message, colour: &str, y: usize) {
    let Message { from, to, text } = message;
    let x_of = |lifeline: &Lifeline| {
        let column = lifelines.iter().position(|other| other == lifeline);
        MARGIN + COLUMN * column.expect("every party of a model has a lifeline")
    };
    let [x1, x2] = [from, to].map(x_of);
    let left = x1.min(x2) + 8;
    let above = y - 4;
    if x1 == x2 {
        add(svg, format_args!("<circle cx='{x1}' cy='{above}' r='3' fill='{colour}'/>"));
    } else {
        let tip = if x1 < x2 { x2 - 6 } else { x2 + 6 };
        let [up, down] = [y - 3, y + 3];
        add(
            svg,
            format_args!(
                "<path d='M{x1} {y}H{x2}M{tip} {up}L{x2} {y}L{tip} {down}' fill='none' \
                 stroke='{colour}'/>"
            ),
        );
    }
    add(svg, format_args!("<text x='{left}' y='{above}' fill='{colour}'>{text}</text>"));
}

fn add(svg: &mut String, element: std::fmt::Arguments<'_>) {
    svg.write_fmt(element).expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{Action, Check};
    use crate::ids::{AddressId, CallerId, TransportId, WorkerId};
    use crate::state::Tuple;

    #[test]
    fn every_message_is_an_arrow_or_a_dot() {
        let t = TransportId(1);
        let from = Tuple::Udp(AddressId(0));
        let actions = [
            Action::PeerChecks { t, from, check: Check::Plain },
            Action::PeerHandshakes { t },
            Action::OwnerClosesServer { caller: CallerId(1) },
            Action::WorkerHearsClose { w: WorkerId(1) },
        ];
        let config = Config::pair();
        let steps = TraceStep::perform(&config, &actions).expect("it can happen");
        let svg = sequence(&steps, &config);
        // The alert is made and the transport unmapped by the worker alone.
        assert_eq!(svg.matches("<circle").count(), 2, "{svg}");
        // Four actions, four events, and: stop accepting, offer the alert, hear the alert.
        assert_eq!(svg.matches("<path").count(), 4 + 4 + 3, "{svg}");
        assert_eq!(svg.matches("<text").count(), 7 + 2 + 11, "seven lifelines, and every message");
        assert_eq!(svg.matches(">close_notify<").count(), 1, "the peer hears the alert");
    }
}
