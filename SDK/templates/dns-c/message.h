/* message.h - this plugin's answers: a pure function from a DNS message to a DNS message, independent of the
 * host, so that a test can call it. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdint.h>

enum { NAME_TEXT_MAX = 254, ANSWER_MAX = 12 + 255 + 4 + 16, TTL_SECONDS = 60 };

typedef struct record {
    uint8_t name[255]; /* in wire format: labels with length prefixes, lower case */
    uint32_t name_length;
    uint8_t address[4];
} record;

/* Converts "printer.lab" to labels. 0 if it is no name. */
int parse_name(const char *text, record *r);

/* Converts "192.0.2.7" to four bytes. 0 if it is no address. */
int parse_ipv4(const char *text, uint8_t address[4]);

/* The answer to a query of `length` bytes: the record's address, NODATA for other types of its name, REFUSED for
 * other names. Returns its length; 0 if the message is malformed. */
uint32_t answer(const record *r, const uint8_t *query, uint32_t length, uint8_t out[ANSWER_MAX]);

#endif
