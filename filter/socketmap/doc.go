// Package socketmap serves lookups in Postfix' socketmap protocol (socketmap_table(5)).
//
// [New] makes a server from the maps that clients may ask for. [Server.Serve] serves connections, [Server.Shutdown] ends it. A
// request is a netstring "NAME KEY" (http://cr.yp.to/proto/netstrings.txt), a reply is a netstring that begins with OK,
// NOTFOUND, TEMP or PERM. Requests that arrive together get their replies one after the other.
//
// The package knows nothing about mail. It replies TEMP, for which Postfix defers mail, only when the lookup function failed.
// To a request for an unknown map it replies PERM, which Postfix logs. A request that is no netstring ends the connection,
// because the beginning of the next request is then unknown.
package socketmap
