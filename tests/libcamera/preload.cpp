// What libcamera's virtual cameras lack, for the tests, by the environment's words. A library that is preloaded.
//
//   FAKE=busy      another program has the camera
//   FAKE=controls  the controls and properties of a Raspberry Pi's camera; each request's are written to standard error
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <iostream>

#include <libcamera/libcamera.h>

using namespace libcamera;

static bool fakes(const char *what)
{
	const char *said = getenv("FAKE");
	return said && !strcmp(said, what);
}

template<typename F>
static F real(const char *name)
{
	return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

extern "C" {

int fake_acquire(Camera *camera) asm("_ZN9libcamera6Camera7acquireEv");
int fake_acquire(Camera *camera)
{
	if (fakes("busy"))
		return -EBUSY;
	return real<int (*)(Camera *)>("_ZN9libcamera6Camera7acquireEv")(camera);
}

int fake_queue(Camera *camera, Request *request) asm("_ZN9libcamera6Camera12queueRequestEPNS_7RequestE");
int fake_queue(Camera *camera, Request *request)
{
	if (fakes("controls")) {
		for (auto const &[id, value] : request->controls())
			std::cerr << "SET " << controls::controls.at(id)->name() << " " << value.toString() << std::endl;
		request->controls().clear();
	}
	return real<int (*)(Camera *, Request *)>("_ZN9libcamera6Camera12queueRequestEPNS_7RequestE")(camera, request);
}

const ControlInfoMap *fake_controls(const Camera *camera) asm("_ZNK9libcamera6Camera8controlsEv");
const ControlInfoMap *fake_controls(const Camera *camera)
{
	if (!fakes("controls"))
		return real<const ControlInfoMap *(*)(const Camera *)>("_ZNK9libcamera6Camera8controlsEv")(camera);
	static const ControlInfoMap map(
		ControlInfoMap::Map{
			{ &controls::AeEnable, ControlInfo(false, true, true) },
			{ &controls::AwbEnable, ControlInfo(false, true) },
			{ &controls::ExposureTime, ControlInfo(INT32_C(20), INT32_C(66666), INT32_C(20000)) },
			{ &controls::AnalogueGain, ControlInfo(1.0f, 16.0f, 1.0f) },
			{ &controls::Brightness, ControlInfo(-1.0f, 1.0f, 0.0f) },
			{ &controls::Contrast, ControlInfo(NAN, 32.0f, 1.0f) },
			{ &controls::Saturation, ControlInfo(0.0f, INFINITY, 1.0f) },
			{ &controls::AwbMode, ControlInfo(controls::AwbModeValues) },
			{ &controls::ColourGains, ControlInfo(0.0f, 32.0f) },
			{ &controls::AfMode, ControlInfo(controls::AfModeValues) },
			{ &controls::AfMetering, ControlInfo(controls::AfMeteringValues) },
			{ &controls::AfTrigger, ControlInfo(controls::AfTriggerValues) },
			{ &controls::AfWindows, ControlInfo(Rectangle{}, Rectangle(65535, 65535, 65535, 65535), Rectangle{}) },
			{ &controls::LensPosition, ControlInfo(0.0f, 32.0f, 1.0f) },
			{ &controls::ScalerCrop, ControlInfo(Rectangle(0, 0, 64, 64), Rectangle(0, 0, 4608, 2592), Rectangle(0, 0, 4608, 2592)) },
			{ &controls::FrameDurationLimits, ControlInfo(INT64_C(8333), INT64_C(120000)) },
			{ &controls::draft::NoiseReductionMode, ControlInfo(controls::draft::NoiseReductionModeValues) },
		},
		controls::controls);
	return &map;
}
}
