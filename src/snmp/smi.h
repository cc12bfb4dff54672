// What the standards number: the values of textual conventions, and limits.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_SNMP_SMI_H
#define DVSAN_SNMP_SMI_H

#include <stdint.h>

#define SMI_ENGINE_BOOTS_MAX  INT32_MAX // the count stays there (RFC 3414 section 2.2.2)
#define SMI_TEST_AND_INCR_MAX INT32_MAX // 0 follows (RFC 2579)

// RFC 2579: TruthValue, StorageType, RowStatus.
enum { TRUTH_TRUE = 1, TRUTH_FALSE = 2 };
enum { STORAGE_NON_VOLATILE = 3, STORAGE_READ_ONLY = 5 };
enum {
    ROW_ACTIVE = 1,
    ROW_NOT_IN_SERVICE,
    ROW_NOT_READY,
    ROW_CREATE_AND_GO,
    ROW_CREATE_AND_WAIT,
    ROW_DESTROY
};

// RFC 4001: InetAddressType.
enum { INET_UNKNOWN = 0, INET_IPV4 = 1, INET_IPV6 = 2 };

#endif
