/* Runs an implementation that is a shared library: the process in which it may crash.
 *
 *     opal_runner libmodule.so            serves it over standard input and output
 *     opal_runner --check libmodule.so    says what it is, or in a sentence why it cannot be run
 *
 * `opalink certify cabi:./libmodule.so` compiles this once and starts it; the library is never loaded elsewhere.
 */

#define _POSIX_C_SOURCE 200809L

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "opal_bench.h"

enum { USAGE = 2 };

static int refused(const char *path, const char *why) {
    (void)fprintf(stderr, "%s %s.\n", path, why);
    return USAGE;
}

int main(int count, char **words) {
    int check = count == 3 && strcmp(words[1], "--check") == 0;
    if (count != 2 + check) return refused("opal_runner", "takes a library, after --check or alone");
    const char *path = words[1 + check];

    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) return refused("The library cannot be loaded:", dlerror());
    void *found = dlsym(library, "opal_iut_get");
    if (!found) return refused(path, "exports no opal_iut_get (see opal_iut.h)");
    const opal_iut *(*get)(void);
    memcpy(&get, &found, sizeof get); /* ISO C has no conversion between the two, POSIX says that this is one */

    const opal_iut *iut = get();
    if (!iut) return refused(path, "has given no table: opal_iut_get returned NULL");
    if (iut->abi != OPAL_IUT_ABI) return refused(path, "was built for another version of opal_iut.h");
    if (!iut->begin || !iut->receive || !iut->advance || !iut->next || !iut->take || !iut->operate || !iut->name)
        return refused(path, "has given a table with a member that is NULL");
    if (!check) return opal_bench_stdio(iut);
    (void)printf("%s\n", iut->name);
    return 0;
}
