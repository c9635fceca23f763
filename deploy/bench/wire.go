package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// This file is the MTA's half of the milter wire format, written apart from the daemon's on purpose: a mistake that
// both shared would cancel itself out. A packet is a length of 4 octets (of what follows, big-endian), a command,
// and data.

// A command is the first octet of a packet that the MTA sends.
type command byte

const (
	cmdNegotiate command = 'O'
	cmdMacro     command = 'D'
	cmdConnect   command = 'C'
	cmdHelo      command = 'H'
	cmdMail      command = 'M'
	cmdRcpt      command = 'R'
	cmdData      command = 'T'
	cmdHeader    command = 'L'
	cmdEndHeader command = 'N'
	cmdBody      command = 'B'
	cmdEndBody   command = 'E'
	cmdAbort     command = 'A'
	cmdQuit      command = 'Q'
)

// A reply is the first octet of a packet that the milter sends.
type reply byte

const (
	replyAccept      reply = 'a'
	replyContinue    reply = 'c'
	replyDiscard     reply = 'd'
	replyProgress    reply = 'p'
	replyReject      reply = 'r'
	replySkip        reply = 's'
	replyTempfail    reply = 't'
	replyCode        reply = 'y'
	replyShutdown    reply = '4'
	changeSender     reply = 'e'
	changeAddRcpt    reply = '+'
	changeAddRcptPar reply = '2'
	changeDelRcpt    reply = '-'
	changeAddHeader  reply = 'h'
	changeInsHeader  reply = 'i'
	changeHeader     reply = 'm'
	changeBody       reply = 'b'
	changeQuarantine reply = 'q'
)

// What Postfix 3.7 offers with milter_protocol = 6.
const (
	offeredVersion  uint32 = 6
	offeredActions  uint32 = 1<<9 - 1
	offeredProtocol uint32 = 1<<21 - 1
)

// flagLeadingSpace asks for header values with the white space that followed the colon (SMFIP_HDR_LEADSPC).
const flagLeadingSpace uint32 = 1 << 20

// maxReply is the longest packet accepted from a milter, in octets. The protocol has no limit; a real reply has a few
// hundred.
const maxReply = 1 << 20

// beginPacket appends the head of a packet and returns the offset that [endPacket] needs.
func beginPacket(b []byte, c command) ([]byte, int) {
	return append(b, 0, 0, 0, 0, byte(c)), len(b)
}

// endPacket fills in the length of the packet that began at offset start.
func endPacket(b []byte, start int) []byte {
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

// appendPacket appends a whole packet.
func appendPacket(b []byte, c command, data []byte) []byte {
	b, start := beginPacket(b, c)
	return endPacket(append(b, data...), start)
}

// readPacket reads one packet of a milter. The data is read into buf if it fits, and valid until buf is used again.
func readPacket(r *bufio.Reader, buf []byte) (reply, []byte, error) {
	head, err := r.Peek(5)
	if err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head)
	code := reply(head[4])
	if n < 1 || n > maxReply {
		return 0, nil, fmt.Errorf("the milter sent a packet with a length of %d", n)
	}
	if _, err := r.Discard(len(head)); err != nil {
		return 0, nil, err
	}
	if n == 1 {
		return code, nil, nil
	}
	if int(n) > cap(buf) {
		buf = make([]byte, n)
	}
	data := buf[:n-1]
	_, err = io.ReadFull(r, data)
	return code, data, err
}
