// Package redis is the [store.Store] that several nodes share: a Redis server, version 6.0 or later, a master that Sentinels
// watch over, or a Cluster.
//
// [Open] takes a URL and does not connect: a mail server has to start without the store. One Record and one Lookup are one round trip
// each, in a cluster to one server. Commands name one key each, use no scripts and depend on no setting of the server.
// deploy/scale.md has the rights that the daemon's user needs. See layout.go for the names of what is stored.
//
// # What a Redis server loses
//
// A Redis server may lose what it has acknowledged: it was restarted, a replica took its place, it was flushed, or it evicts old keys. The
// package never claims that the record is complete (see [store.Completeness]) over such a loss:
//
//   - The time since when the record is complete is stored beside the records, so that whatever wipes them wipes it, too.
//   - On each new connection the package asks for the identity of the server process (run_id of INFO). The one that answers a lookup is
//     compared with the one noted beside the records, and with the one that answered this process before. See examine.go.
//   - Keys that were evicted (evicted_keys), and a server that followed another one for a while (master_replid2), count as another
//     identity.
//   - Each process looks for samples of the records that it wrote. See samples.go.
//   - A server that may evict (maxmemory with a policy other than noeviction), or does not let the user run INFO, is untrusted:
//     records that are found count, and their absence means nothing.
//
// INFO is asked for on new connections only, never for a message, and connections live for 2 minutes: that is how long a change of the
// eviction policy may go unseen. Evictions of that time are seen afterwards.
//
// # Who else writes to it
//
// Others may be able to write to the server. What could let genuine mail be refused is signed under the hash secret, see seal.go; what is
// read is bounded, see limits.go. [Store.Doubts] counts what was not believed.
//
// # Shards
//
// A single server has one shard, a cluster 256. The first octet of a key, which depends on its sender alone, chooses the shard, so that what
// one message leaves behind, and what is asked about a bounce, is on one server. Each shard has its own hash "state", because
// servers lose records one by one. Its states:
//
//	state       how it is seen                     a lookup answers    next state
//	empty       no start that was signed           Since zero          complete: a Record sets start in all shards
//	                                                                   complete: MarkIncomplete
//	complete    run is the process that answers,   Since: the latest   changed: another process answers
//	            and that answered before           of start and the    empty: the server was wiped
//	                                               end of a gap that   untrusted: see above
//	                                               has no beginning
//	changed     another process answers than run,  (examined first)    a gap until 3 minutes from now: the shard is examined,
//	            or than answered before                                and notes the process. By then no connection to the former
//	                                                                   process lives.
//	unsettled   a process answers that another     Since zero          complete: after 2 minutes, when no connection to either
//	            one had replaced: both are alive                       is older
//	untrusted   it may evict; INFO is forbidden    Since zero, Reason  changed: the operator has set it right
//	unreadable  it lists a layer of a later        Since zero, Reason  complete: the later version is installed again, and the layer
//	            version                                                is not listed any more
//
// The answer to a Lookup is complete since the latest Since of the shards that it asked, and not at all if one of them has none. A Lookup
// without queries asks all shards.
//
// # Periods and layers
//
// A period is 8 days; the records of a period expire together. A period's records lie in one or more layers of 2^bits buckets, each a hash
// of up to 128 records, which Redis stores compactly.
//
//	event                              effect
//	first record of a period           its first layer is as large as the largest of the latest earlier period; without one it
//	                                   has 2^9 buckets, in a cluster 2^2 in each shard
//	a bucket has 112 records           new records go to a layer with four times as many buckets, of 2^26 at most; the records of the
//	                                   smaller layer stay where they are
//	another node has begun a layer     the next Lookup finds it listed in the shard's state, and asks it in a second round trip
//	a lookup without a last day        asks all layers of the periods that are not over
//	a day after the period             Redis removes the buckets
//	4 periods later                    the shard's state lists the period's layers no more (a clock may be that far ahead)
package redis
