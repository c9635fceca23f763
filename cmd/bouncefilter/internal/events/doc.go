// Package events tells other programs of genuine bounces, so that list managers and applications can stop sending to dead addresses
// without reading bounces themselves.
//
// [Open] opens a [Publisher], whose Publish is what a [filter.Server] calls for each genuine bounce. It never waits. For each sink (a
// file, a Redis stream, an HTTP hook) the events wait in a spool on disk until the sink has taken them, in their order, so that neither
// an outage of a sink nor a restart loses or repeats many. A sink gets each event at least once; the ID tells which are the same.
//
// Mail does not depend on a sink: one that fails is logged and counted, and beyond the backlog new events are dropped.
package events
