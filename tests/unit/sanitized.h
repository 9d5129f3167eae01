/* SANITIZED: is this code compiled for a sanitizer? gcc says so by a macro, clang by a feature. Tests of large grids thin them there. */
#ifndef DLCLI_TESTS_SANITIZED_H
#define DLCLI_TESTS_SANITIZED_H

#if !defined(__has_feature)
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#endif
