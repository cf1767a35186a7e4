/*
 * Preloaded into the MySQL of the stack: its OpenSSL 1.0.2 offers no elliptic-curve key exchange unless the program asks
 * for it, and MySQL 8.0.15 asks for none. MySQL's own packages have a later OpenSSL, which needs no asking. Without it
 * no client on rustls can connect.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

#define SSL_CTRL_SET_ECDH_AUTO 94

void *SSL_CTX_new(const void *method)
{
    void *(*create)(const void *) = (void *(*)(const void *))dlsym(RTLD_NEXT, "SSL_CTX_new");
    long (*control)(void *, int, long, void *) =
        (long (*)(void *, int, long, void *))dlsym(RTLD_NEXT, "SSL_CTX_ctrl");
    void *context = create(method);
    if (context != NULL) {
        control(context, SSL_CTRL_SET_ECDH_AUTO, 1, NULL);
    }
    return context;
}
