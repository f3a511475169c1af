// What libcamera's virtual cameras lack, for the tests, by the environment's words. A library that is preloaded.
//
//   FAKE=busy      another program has the camera
//   FAKE=controls  the controls and properties of a Raspberry Pi's camera; each request's are written to standard error
//   FAKE=udmabuf   /dev/udmabuf is there: what it makes is the very memfd
#include <cerrno>
#include <cmath>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <iostream>
#include <linux/dma-buf.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

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

static bool is_fake[4096];

static int open_fake(const char *path)
{
	if (strcmp(path, "/dev/udmabuf") || !fakes("udmabuf"))
		return -1;
	int fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0));
	if (fd >= 0 && fd < 4096)
		is_fake[fd] = true;
	return fd;
}

static int open_any(const char *name, const char *path, int flags, mode_t mode)
{
	int fd = open_fake(path);
	return fd >= 0 ? fd : real<int (*)(const char *, int, ...)>(name)(path, flags, mode);
}

static mode_t mode_of(int flags, va_list more)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
	va_list more;
	va_start(more, flags);
	mode_t mode = mode_of(flags, more);
	va_end(more);
	return open_any("open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list more;
	va_start(more, flags);
	mode_t mode = mode_of(flags, more);
	va_end(more);
	return open_any("open64", path, flags, mode);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list more;
	va_start(more, request);
	void *argument = va_arg(more, void *);
	va_end(more);
	if (fd >= 0 && fd < 4096 && is_fake[fd] && request == UDMABUF_CREATE) {
		std::cerr << "UDMABUF" << std::endl;
		return fcntl(static_cast<int>(static_cast<udmabuf_create *>(argument)->memfd), F_DUPFD_CLOEXEC, 3);
	}
	long done = syscall(SYS_ioctl, fd, request, argument);
	return fakes("udmabuf") && request == DMA_BUF_IOCTL_SYNC ? 0 : static_cast<int>(done);
}
}
