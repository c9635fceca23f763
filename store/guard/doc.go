// Package guard wraps a [store.Store] for the mail path: while the store fails, a message costs a bounded time, its record
// waits on local disk, and no lost record leads to a refused bounce.
//
// [New] takes a store over and returns a [Guard]. The mail path calls [Guard.Record] and [Guard.Lookup]. All other uses of the
// store (counters, nodes, broadcasts, first-signed days) go to [Guard.Store] directly.
//
// The guard never lets a Lookup reach a store that lacks records which wait in the journal, and it never hides that a record was
// lost, not even over a crash, unless the disk did not answer before it.
//
// # The circuit
//
// A call that fails, or takes longer than the timeout, opens the circuit. One goroutine of the Guard, the prober, tries to
// close it again, so that no message pays for that.
//
//	state     Record             Lookup  next state
//	closed    store              store   open: a call failed
//	open      journal            fails   draining: the store has taken all but the last of the journal
//	                                     closed: the store answers, the journal is empty, the gap is reported
//	draining  store; if it       fails   closed: the journal is empty, the gap is reported
//	          fails, journal             open: a call failed, or the journal did not take a record
//
// RecordBestEffort reaches the store in the same states as Record, but its records are never journalled.
//
// In the state draining, new records go to the store, because the journal of a busy site would never be empty otherwise. Lookups still
// fail, because the store lacks the rest of the journal.
//
// # The journal and the gap
//
// What becomes of the records of one message:
//
//	outcome     where they are   Record returns
//	stored      in the store     nil
//	journalled  on local disk    nil
//	waiting     in memory        nil, if the disk does not answer
//	lost        in none of them  an error that wraps store.ErrUnavailable
//
// The message may be signed in each case. What waits in memory is written to disk when that answers, or to the store, whichever is first;
// it is lost if the process ends before, or if there is too much of it. Lost records are a gap in the record:
//
//	state   on disk                  next state
//	no gap  nothing                  gap: a record was lost, the journal is damaged, or New found the mark of a gap
//	gap     mark in the journal's    no gap: MarkIncomplete has told the store of which time records may be missing: from a minute before
//	        first block, or the      the first was lost to a minute from now. Only then does the circuit close: no Lookup meets a store
//	        gap file if no journal   that does not know. The mark has the time of the first loss.
//	        can be used
//
// A gap opens the circuit, so that Lookups fail as long as it lasts, and a caller whose Lookup fails refuses nothing that needs the store.
// Other nodes learn of the gap from the silence of this one: a node sends no heartbeat while its circuit is not closed.
package guard
