/* message.h - what this plugin answers: a pure function from a DNS message to a DNS message,
 * without the host, so that a test can call it. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdint.h>

enum { NAME_TEXT_MAX = 254, ANSWER_MAX = 12 + 255 + 4 + 16, TTL_SECONDS = 60 };

typedef struct record {
    uint8_t name[255]; /* as in a message: labels behind their lengths, lower case */
    uint32_t name_length;
    uint8_t address[4];
} record;

/* "printer.lab" to its labels. 0: it is no name. */
int parse_name(const char *text, record *r);

/* "192.0.2.7" to four bytes. 0: it is no address. */
int parse_ipv4(const char *text, uint8_t address[4]);

/* The answer to a query of `length` bytes: the record's address, no data for its name's other
 * types, REFUSED for all other names. Returns its length; 0: the message is broken. */
uint32_t answer(const record *r, const uint8_t *query, uint32_t length, uint8_t out[ANSWER_MAX]);

#endif
