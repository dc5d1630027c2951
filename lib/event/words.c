#include "mailvane/event/event.h"

#define STATUS(constant, text) [constant] = text,
const char *const status_words[STATUS_COUNT] = {
#include "mailvane/tables/event_words.def"
};
#undef STATUS

#define PHASE(constant, text) [constant] = text,
const char *const phase_words[PHASE_COUNT] = {
#include "mailvane/tables/event_words.def"
};
#undef PHASE

#define KIND(constant, text) [constant] = text,
const char *const kind_words[EVENT_COUNT] = {
#include "mailvane/tables/event_words.def"
};
#undef KIND

#define SEVERITY(constant, text) [constant] = text,
const char *const severity_words[SEVERITY_COUNT] = {
#include "mailvane/tables/event_words.def"
};
#undef SEVERITY

#define STAGE(constant, text) [constant] = text,
const char *const stage_words[DELAY_STAGES] = {
#include "mailvane/tables/event_words.def"
};
#undef STAGE

#define TRUST(constant, text) [constant] = text,
const char *const trust_words[TRUST_COUNT] = {
#include "mailvane/tables/event_words.def"
};
#undef TRUST

#define SESSION(constant, text) [constant] = text,
const char *const session_words[SESSION_COUNT] = {
#include "mailvane/tables/event_words.def"
};
#undef SESSION

#define SCREENING(constant, text) [constant] = text,
const char *const screening_words[SCREENING_COUNT] = {
#include "mailvane/tables/event_words.def"
};
#undef SCREENING

#define CHANGE(constant, text) [constant] = text,
const char *const change_words[CHANGE_COUNT] = {
#include "mailvane/tables/event_words.def"
};
#undef CHANGE

#define OUTCOME(constant, text) [constant] = text,
const char *const outcome_words[OUTCOME_COUNT] = {
#include "mailvane/tables/event_words.def"
};
#undef OUTCOME
