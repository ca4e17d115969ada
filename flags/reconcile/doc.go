// Package reconcile decides conflicts by rules that are pure functions: the same
// siblings give the same outcome, in any order and however often each is named. It
// compares what services reported with what the rule gives, tries another rule on past
// conflicts, and records what people decide.
package reconcile
