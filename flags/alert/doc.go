// Package alert turns the state of alert rules into alerts that begin and end, and
// delivers them to webhooks: signed, retried, and only to addresses that are
// allowed. What must be told is stored together with what happened, so nothing is
// lost by a restart.
package alert
