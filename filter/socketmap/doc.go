// Package socketmap serves lookups in Postfix' socketmap protocol (socketmap_table(5)).
//
// [New] makes a server from the maps that it is to know, [Server.Serve] serves connections, [Server.Shutdown] ends it. A
// request is a netstring "NAME KEY" (http://cr.yp.to/proto/netstrings.txt), an answer is one that begins with OK, NOTFOUND,
// TEMP or PERM. Requests that come together are answered one after the other.
//
// The package knows nothing about mail. It answers TEMP, for which Postfix defers mail, only when the lookup function
// failed; a request for a map that there is not is answered PERM, which Postfix logs. What is no netstring ends the connection:
// nobody could say where the next request begins.
package socketmap
