// Package rollup is the fold: it turns the log of events into series of counts,
// idempotently and without regard to their order.
//
// The state of an entity (a write, a session, a read, a conflict) is a join of
// its events: every field is merged by a minimum, a maximum or a union, so the
// state depends on the set of events alone. What an entity adds to the series is
// a pure function of its state. An event that changes a state therefore takes
// away what the old state added and adds what the new one does; a rollup is, by
// construction, the sum over the states that the log folds to.
//
// States live in memory while their events are recent. One that was put down is
// read back from the log when a late event names it; a filter over everything
// ever seen tells "new" from "put down".
package rollup
